// Plots as static SVG: line plots, points, bars, heat maps and small curves in tables.
//
// A plot becomes a Drawing, plain geometry that tests look at; fill() hands it to the templates.
// Colours are classes of page.css (Okabe and Ito's, which the colour-blind tell apart), so they
// follow the light or dark page; series also differ in how they are dashed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/report/axis.h"
#include "app/report/slots.h"

namespace mld {

// One line, or a cloud of points. x and y have equal lengths; a y that is not finite (or that a
// logarithmic axis cannot show) interrupts the line.
struct Series {
  enum class Style { line, faint, points };
  std::string name;
  std::vector<double> x, y;
  Style style = Style::line;
  int colour = 0;
  std::optional<size_t> best{};  // this point gets a ring and its value
};

// A vertical line.
struct PlotMark {
  double x = 0;
  std::string name;  // one legend entry for all marks of a name
};

struct LinePlot {
  std::string title, x_label, y_label;
  std::vector<Series> series{};
  std::vector<PlotMark> marks{};
  AxisSpec x{.whole = true}, y{};
};

// Bars beside each other, a group per label.
struct BarPlot {
  struct Group {
    std::string name;            // "" = no legend
    std::vector<double> values;  // as many as labels
  };
  std::string title, x_label, y_label;
  std::vector<std::string> labels;
  std::vector<Group> groups;
  bool lying = false;  // horizontal bars with the labels, which may be long, on the left
};

// Rows of cells whose shade is a value from 0 to 1.
struct HeatMap {
  std::string title;
  std::vector<std::string> rows, columns;
  std::vector<double> values{};     // [rows, columns]
  std::vector<std::string> tips{};  // [rows, columns] what a cell says when pointed at
};

// What the cells with the largest values say, the largest first, without those of a class and
// itself and those of 0. For who cannot see the shades, or point at a cell.
std::vector<std::string> strongest_cells(const HeatMap& map, size_t most = 20);

// What is drawn, in units of a viewBox of width x height with y downwards. `ink` is a CSS class.
struct Drawing {
  struct Rect { double x, y, width, height; std::string ink, tip{}; double opacity = 1; };
  struct Line { double x1, y1, x2, y2; std::string ink; };
  struct Path { std::string d, ink; };
  struct Circle { double x, y, r; std::string ink, tip{}; };
  struct Text { double x, y; std::string anchor, text; bool turned = false; };
  struct Key { std::string ink, name; };  // of the legend

  double width = 0, height = 0;
  std::string title{}, description{};  // the plot in words, for who cannot see it
  std::vector<Rect> rects{};
  std::vector<Line> lines{};
  std::vector<Path> paths{};
  std::vector<Circle> circles{};
  std::vector<Text> texts{};
  std::vector<Key> keys{};
};

Drawing draw(const LinePlot& plot);
Drawing draw(const BarPlot& plot);
Drawing draw(const HeatMap& map);

// `into`: the template plot.html.
void fill(const Drawing& drawing, Slots into);
// Adds a plot at {{>marker}}.
void add_plot(const Slots& to, const char* marker, const auto& plot) {
  fill(draw(plot), to.include(marker, "plot.html"));
}

// A curve within the square 0 <= x, y <= 1, small enough for a line of a table, at {{>marker}}.
// `label`: the curve in words.
void add_sparkline(const Slots& to, const char* marker, std::span<const double> x,
                   std::span<const double> y, std::string_view label);

// At most `most` points: beyond that, means of equally many neighbours.
Series thinned(Series series, size_t most = 400);
// At most `most` of the points themselves, and the best one: those that the line's outline needs.
// Where thinned() smooths, this keeps values. All must be finite.
Series outlined(Series series, size_t most = 400);
// The exponential moving average of values over about `over` neighbours, corrected for its start;
// values that are not finite are left out and stay.
std::vector<double> smoothed(std::span<const double> values, double over);

}  // namespace mld
