// The frame that plots with two axes share: grid, tick texts, labels.
#pragma once

#include <string>

#include "app/report/plot.h"

namespace mld {

// Where the axes lie in a drawing.
struct Frame {
  Axis x, y;
  double left = 0, right = 0, top = 0, bottom = 0;

  double x_of(double value) const { return left + (right - left) * x.fraction(value); }
  double y_of(double value) const { return bottom - (bottom - top) * y.fraction(value); }
  bool shows_x(double value) const;
  bool shows(double x_value, double y_value) const;
};

// Sets the drawing's size and adds grid, axes and texts.
Frame add_frame(Axis x, Axis y, const std::string& x_label, const std::string& y_label,
                Drawing& drawing);

// "s0 dash0": the colour and the dashes of series number `colour`; eight colours, then again with
// other dashes.
std::string series_ink(int colour);

// About how wide a text is in the drawing, rather too wide.
double text_width(std::string_view text);

}  // namespace mld
