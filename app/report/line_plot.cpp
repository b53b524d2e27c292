// Line plots and small curves.
#include <algorithm>
#include <cmath>
#include <set>

#include "app/report/plot.h"
#include "app/report/plot_frame.h"
#include "core/error.h"
#include "train/analysis/polyline.h"

namespace mld {
namespace {

// The path through a series' points: "M10.0 20.0L11.0 21.0", a new M after every gap.
std::string path_of(const Series& series, const Frame& frame) {
  std::string path;
  bool drawing = false;
  for (size_t i = 0; i < series.x.size(); ++i) {
    const bool there = frame.shows(series.x[i], series.y[i]);
    if (there) {
      path += fmt::format("{}{:.1f} {:.1f}", drawing ? 'L' : 'M', frame.x_of(series.x[i]),
                          frame.y_of(series.y[i]));
    }
    drawing = there;
  }
  return path;
}

// Points that no line reaches would be invisible: all of them, if there are few, else none.
bool shows_points(const Series& series) {
  constexpr size_t kFew = 40;
  return series.style == Series::Style::points ||
         (series.style == Series::Style::line && series.x.size() <= kFew);
}

// What the style adds to a series' colour in the page's style sheet.
const char* style_ink(Series::Style style) {
  return style == Series::Style::faint    ? " faint"
         : style == Series::Style::points ? " dots"
                                          : "";
}

void draw_series(const Series& series, const Frame& frame, Drawing& drawing) {
  const std::string ink = series_ink(series.colour);
  if (series.style != Series::Style::points) {
    drawing.paths.push_back(
        {path_of(series, frame), ink + style_ink(series.style)});
  }
  const double radius = series.style == Series::Style::points ? 2 : 2.5;
  for (size_t i = 0; shows_points(series) && i < series.x.size(); ++i) {
    if (frame.shows(series.x[i], series.y[i])) {
      drawing.circles.push_back({frame.x_of(series.x[i]), frame.y_of(series.y[i]), radius, ink,
                                 fmt::format("{} at {}: {}", series.name, number_text(series.x[i]),
                                             number_text(series.y[i]))});
    }
  }
  if (series.best && frame.shows(series.x[*series.best], series.y[*series.best])) {
    const double x = frame.x_of(series.x[*series.best]), y = frame.y_of(series.y[*series.best]);
    drawing.circles.push_back({x, y, 6, ink + " best", "best"});
    const bool right = x > (frame.left + frame.right) / 2;
    drawing.texts.push_back({x + (right ? -9 : 9), y > frame.top + 20 ? y - 10 : y + 16,
                             right ? "end" : "start",
                             fmt::format("{:.4g}", series.y[*series.best])});
  }
}

// "loss: 120 points from 5.2 to 1.1, between 1.0 and 5.2"
std::string in_words(const Series& series) {
  double first = NAN, last = NAN, low = INFINITY, high = -INFINITY;
  size_t count = 0;
  for (const double value : series.y) {
    if (std::isfinite(value)) {
      first = count++ == 0 ? value : first;
      last = value;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return count == 0 ? fmt::format("{}: no values. ", series.name)
                    : fmt::format("{}: {} points, first {}, last {}, between {} and {}. ",
                                  series.name, count, number_text(first), number_text(last),
                                  number_text(low), number_text(high));
}

}  // namespace

Drawing draw(const LinePlot& plot) {
  std::vector<double> xs, ys;
  for (const Series& series : plot.series) {
    require(series.x.size() == series.y.size(), "plot {}: {} has {} x and {} y", plot.title,
            series.name, series.x.size(), series.y.size());
    xs.insert(xs.end(), series.x.begin(), series.x.end());
    ys.insert(ys.end(), series.y.begin(), series.y.end());
  }
  Drawing drawing{.title = plot.title};
  const Frame frame = add_frame(axis_for(xs, plot.x), axis_for(ys, plot.y), plot.x_label,
                                plot.y_label, drawing);
  std::set<std::string> named;
  for (const PlotMark& mark : plot.marks) {
    if (frame.shows_x(mark.x)) {
      drawing.lines.push_back({frame.x_of(mark.x), frame.top, frame.x_of(mark.x), frame.bottom,
                               "mark"});
      if (named.insert(mark.name).second) {
        drawing.keys.push_back({"mark", mark.name});
      }
    }
  }
  for (const Series& series : plot.series) {
    draw_series(series, frame, drawing);
    drawing.description += in_words(series);
    drawing.keys.push_back({series_ink(series.colour) + style_ink(series.style), series.name});
  }
  return drawing;
}

Series thinned(Series series, size_t most) {
  const size_t n = series.x.size();
  if (n <= most) {
    return series;
  }
  Series thin = series;
  thin.x.clear();
  thin.y.clear();
  thin.best.reset();
  for (size_t i = 0; i < most; ++i) {
    const size_t begin = i * n / most, end = (i + 1) * n / most;
    double x = 0, y = 0;
    for (size_t j = begin; j < end; ++j) {
      x += series.x[j];
      y += series.y[j];
    }
    thin.x.push_back(x / static_cast<double>(end - begin));
    thin.y.push_back(y / static_cast<double>(end - begin));
  }
  return thin;
}

Series outlined(Series series, size_t most) {
  const size_t n = series.x.size();
  if (n <= most) {
    return series;
  }
  const auto [left, right] = std::ranges::minmax(series.x);
  const auto [low, high] = std::ranges::minmax(series.y);
  std::vector<PlotPoint> line(n);
  for (size_t i = 0; i < n; ++i) {
    line[i] = {(series.x[i] - left) / std::max(right - left, 1e-300),
               (series.y[i] - low) / std::max(high - low, 1e-300)};
  }
  std::vector<size_t> kept = thin_line(line, {.points = static_cast<int64_t>(most) - 1,
                                              .deviation = 0}).kept;
  if (series.best && !std::ranges::binary_search(kept, *series.best)) {
    kept.insert(std::ranges::lower_bound(kept, *series.best), *series.best);
  }
  Series thin = series;
  thin.x.clear();
  thin.y.clear();
  for (const size_t i : kept) {
    if (series.best == i) {
      thin.best = thin.x.size();
    }
    thin.x.push_back(series.x[i]);
    thin.y.push_back(series.y[i]);
  }
  return thin;
}

std::vector<double> smoothed(std::span<const double> values, double over) {
  const double keep = 1 - 1 / std::max(over, 1.0);
  std::vector<double> out;
  double sum = 0, weight = 0;
  for (const double value : values) {
    if (std::isfinite(value)) {
      sum = keep * sum + (1 - keep) * value;
      weight = keep * weight + (1 - keep);
    }
    out.push_back(std::isfinite(value) ? sum / weight : value);
  }
  return out;
}

void add_sparkline(const Slots& to, const char* marker, std::span<const double> x,
                   std::span<const double> y, std::string_view label) {
  constexpr double kWidth = 60, kHeight = 20;
  require(x.size() == y.size(), "sparkline: {} x and {} y", x.size(), y.size());
  std::string path;
  for (size_t i = 0; i < x.size(); ++i) {
    path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? 'M' : 'L', kWidth * std::clamp(x[i], 0.0, 1.0),
                        kHeight * (1 - std::clamp(y[i], 0.0, 1.0)));
  }
  Slots slots = to.include(marker, "sparkline.html");
  slots.set("PATH", path);
  slots.set("LABEL", label);
}

}  // namespace mld
