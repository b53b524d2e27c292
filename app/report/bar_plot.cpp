// Bars and heat maps.
#include <algorithm>
#include <cmath>

#include "app/report/plot.h"
#include "app/report/plot_frame.h"
#include "core/error.h"

namespace mld {
namespace {

double value_or_zero(double value) { return std::isfinite(value) ? value : 0; }

void describe(const BarPlot& plot, Drawing& drawing) {
  for (size_t g = 0; g < plot.groups.size(); ++g) {
    const BarPlot::Group& group = plot.groups[g];
    require(group.values.size() == plot.labels.size(), "plot {}: {} labels, {} values", plot.title,
            plot.labels.size(), group.values.size());
    if (!group.name.empty()) {
      drawing.keys.push_back({fmt::format("s{} filled", g), group.name});
    }
    for (size_t i = 0; i < plot.labels.size(); ++i) {
      drawing.description += fmt::format("{}{}{} {}", i == 0 ? group.name + ": " : ", ",
                                         plot.labels[i], ":", number_text(group.values[i]));
    }
    drawing.description += ". ";
  }
}

std::string tip(const BarPlot& plot, size_t label, const BarPlot::Group& group) {
  return fmt::format("{}{}{}: {}", plot.labels[label], group.name.empty() ? "" : ", ", group.name,
                     number_text(group.values[label]));
}

std::vector<double> all_values(const BarPlot& plot) {
  std::vector<double> values = {0};
  for (const BarPlot::Group& group : plot.groups) {
    values.insert(values.end(), group.values.begin(), group.values.end());
  }
  return values;
}

void draw_standing(const BarPlot& plot, Drawing& drawing) {
  const auto labels = static_cast<double>(plot.labels.size());
  Axis x{0, std::max(labels, 1.0)};
  for (size_t i = 0; i < plot.labels.size(); ++i) {
    x.ticks.push_back({static_cast<double>(i) + 0.5, plot.labels[i]});
  }
  const Frame frame = add_frame(std::move(x), axis_for(all_values(plot), {.from_zero = true}),
                                plot.x_label, plot.y_label, drawing);
  const double room = (frame.right - frame.left) / std::max(labels, 1.0);
  const double width = 0.8 * room / static_cast<double>(std::max<size_t>(plot.groups.size(), 1));
  for (size_t g = 0; g < plot.groups.size(); ++g) {
    for (size_t i = 0; i < plot.labels.size(); ++i) {
      const double zero = frame.y_of(0), end = frame.y_of(value_or_zero(plot.groups[g].values[i]));
      drawing.rects.push_back({frame.left + room * (static_cast<double>(i) + 0.1) +
                                   width * static_cast<double>(g),
                               std::min(zero, end), width, std::abs(end - zero),
                               fmt::format("s{} filled", g), tip(plot, i, plot.groups[g])});
    }
  }
}

// The lengths share an axis whose zero may lie anywhere: values may be negative.
void draw_lying(const BarPlot& plot, Drawing& drawing) {
  constexpr double kRow = 18, kLeft = 150, kRight = 446, kNumber = 40, kTop = 4;
  const Axis axis = axis_for(all_values(plot), {.from_zero = true});
  const auto x_of = [&](double value) {
    return kLeft + (kRight - kNumber - kLeft) * axis.fraction(value);
  };
  const auto groups = static_cast<double>(std::max<size_t>(plot.groups.size(), 1));
  drawing.width = 460;
  drawing.height = kTop + kRow * static_cast<double>(plot.labels.size()) + 4;
  for (size_t i = 0; i < plot.labels.size(); ++i) {
    const double top = kTop + kRow * static_cast<double>(i), thick = (kRow - 4) / groups;
    drawing.texts.push_back({kLeft - 6, top + 12, "end", plot.labels[i]});
    for (size_t g = 0; g < plot.groups.size(); ++g) {
      const double value = value_or_zero(plot.groups[g].values[i]);
      const double zero = x_of(0), end = x_of(value), y = top + thick * static_cast<double>(g);
      drawing.rects.push_back({std::min(zero, end), y, std::max(std::abs(end - zero), 0.5), thick,
                               fmt::format("s{} filled", g), tip(plot, i, plot.groups[g])});
      if (plot.groups.size() == 1) {
        drawing.texts.push_back({std::max(zero, end) + 4, top + 12, "start", number_text(value)});
      }
    }
  }
  drawing.lines.push_back({x_of(0), kTop - 2, x_of(0), drawing.height - 2, "axis"});
}

}  // namespace

Drawing draw(const BarPlot& plot) {
  Drawing drawing{.title = plot.title};
  describe(plot, drawing);
  plot.lying ? draw_lying(plot, drawing) : draw_standing(plot, drawing);
  return drawing;
}

Drawing draw(const HeatMap& map) {
  constexpr double kLeft = 120, kTop = 120, kLeastWidth = 560;  // a page does not enlarge it much
  constexpr size_t kFew = 16;
  const size_t rows = map.rows.size(), columns = map.columns.size();
  const double cell = columns <= kFew ? 24 : 16;
  require(map.values.size() == rows * columns && map.tips.size() == rows * columns,
          "plot {}: {} x {} cells, {} values, {} tips", map.title, rows, columns, map.values.size(),
          map.tips.size());
  Drawing drawing{.width = std::max(kLeft + cell * static_cast<double>(columns) + 4, kLeastWidth),
                  .height = kTop + cell * static_cast<double>(rows) + 4, .title = map.title};
  for (size_t c = 0; c < columns; ++c) {
    const double x = kLeft + cell * static_cast<double>(c);
    drawing.texts.push_back({x + cell / 2 + 4, kTop - 5, "start", map.columns[c], true});
  }
  for (size_t r = 0; r < rows; ++r) {
    const double y = kTop + cell * static_cast<double>(r);
    drawing.texts.push_back({kLeft - 5, y + cell / 2 + 4, "end", map.rows[r]});
    for (size_t c = 0; c < columns; ++c) {
      drawing.rects.push_back({kLeft + cell * static_cast<double>(c), y, cell - 1, cell - 1,
                               "s0 filled", map.tips[r * columns + c],
                               std::clamp(map.values[r * columns + c], 0.0, 1.0)});
    }
  }
  drawing.description = fmt::format("{} rows, {} columns", rows, columns);
  for (const std::string& words : strongest_cells(map)) {
    drawing.description += "; " + words;
  }
  return drawing;
}

std::vector<std::string> strongest_cells(const HeatMap& map, size_t most) {
  const size_t columns = map.columns.size();
  std::vector<size_t> cells;
  for (size_t i = 0; i < map.values.size(); ++i) {
    if (map.values[i] > 0 && map.rows[i / columns] != map.columns[i % columns]) {
      cells.push_back(i);
    }
  }
  std::ranges::stable_sort(cells, std::greater(), [&](size_t i) { return map.values[i]; });
  std::vector<std::string> tips;
  for (size_t i = 0; i < std::min(most, cells.size()); ++i) {
    tips.push_back(map.tips[cells[i]]);
  }
  return tips;
}

}  // namespace mld
