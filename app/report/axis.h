// Axes of plots: ranges, round tick values and their texts.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace mld {

struct Tick {
  double value = 0;
  std::string text;
};

// Maps values to positions. low < high; log: both are positive.
struct Axis {
  double low = 0, high = 1;
  bool log = false;
  std::vector<Tick> ticks{};

  // 0 at low, 1 at high; for a logarithmic axis `value` must be positive.
  double fraction(double value) const;
};

struct AxisSpec {
  bool log = false;          // logarithmic, if any value is positive
  bool whole = false;        // ticks at whole numbers only
  bool from_zero = false;    // the axis begins at 0 (bars)
  int ticks = 5;             // about how many
};

// An axis that holds all finite values (log: all positive ones) and ends at ticks, unless it is
// logarithmic. Without any such value it goes from 0 to 1; one value gets room on both sides.
Axis axis_for(std::span<const double> values, const AxisSpec& spec = {});

// A number for people: 6 significant digits at most, "1.5M" for millions, "2e-5" for small ones.
std::string number_text(double value);

}  // namespace mld
