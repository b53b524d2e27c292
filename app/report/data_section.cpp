// The data: how often which labels, which of them together, what the pictures are like.
#include <algorithm>
#include <map>
#include <set>

#include "app/report/plot.h"
#include "app/report/section.h"
#include "data/text.h"

namespace mld {
namespace {

// The splits' counts of one class.
struct ClassCount {
  std::string name;
  int64_t train = 0, val = 0;
};

// By name, since val may have classes that train has not; the commonest in train first.
std::vector<ClassCount> class_counts(const DataSummary& data) {
  std::vector<ClassCount> counts;
  const SplitSummary &train = data.train, &val = data.val;
  std::map<std::string, size_t> places;
  for (size_t k = 0; k < train.class_names.size(); ++k) {
    places[train.class_names[k]] = counts.size();
    counts.push_back({train.class_names[k], train.labels.present[k], 0});
  }
  for (size_t k = 0; k < val.class_names.size(); ++k) {
    const auto [place, fresh] = places.try_emplace(val.class_names[k], counts.size());
    if (fresh) {
      counts.push_back({val.class_names[k]});
    }
    counts[place->second].val = val.labels.present[k];
  }
  std::ranges::stable_sort(counts, std::greater(), &ClassCount::train);
  return counts;
}

void add_frequencies(const std::vector<ClassCount>& counts, const Slots& slots) {
  constexpr size_t kMostBars = 30, kMostPoints = 1000;
  if (counts.size() <= kMostBars) {
    BarPlot plot{.title = "Pictures that show a class", .x_label = "", .y_label = "",
                 .labels = {}, .groups = {{"train", {}}, {"val", {}}}, .lying = true};
    for (const ClassCount& count : counts) {
      plot.labels.push_back(count.name);
      plot.groups[0].values.push_back(static_cast<double>(count.train));
      plot.groups[1].values.push_back(static_cast<double>(count.val));
    }
    add_plot(slots.section("PLOT"), "FIGURE", plot);
    return;
  }
  LinePlot plot{.title = "Pictures that show a class, commonest classes first",
                .x_label = "class, by rank in train", .y_label = "",
                .series = {{.name = "val", .x = {}, .y = {}, .style = Series::Style::points,
                            .colour = 1},
                           {.name = "train", .x = {}, .y = {}, .colour = 0}}};
  for (size_t i = 0; i < counts.size(); ++i) {
    for (Series& series : plot.series) {
      series.x.push_back(static_cast<double>(i + 1));
      series.y.push_back(static_cast<double>(series.colour == 0 ? counts[i].train
                                                                : counts[i].val));
    }
  }
  for (Series& series : plot.series) {
    series = thinned(std::move(series), kMostPoints);
  }
  plot.y.log = true;
  add_plot(slots.section("PLOT"), "FIGURE", plot);
}

void add_labels_per_picture(const DataSummary& data, const Slots& slots) {
  constexpr size_t kMostBars = 16;  // the last bar has all pictures with more labels
  BarPlot plot{.title = "Labels per picture, percent of the split", .x_label = "labels",
               .y_label = "", .labels = {}, .groups = {}};
  const size_t most = std::max(data.train.labels.labels_histogram.size(),
                               data.val.labels.labels_histogram.size());
  const size_t bars = std::min(most, kMostBars);
  for (size_t i = 0; i < bars; ++i) {
    plot.labels.push_back(fmt::format("{}{}", i, i + 1 == kMostBars && most > bars ? "+" : ""));
  }
  for (const auto& [name, report] :
       {std::pair("train", &data.train.labels), std::pair("val", &data.val.labels)}) {
    std::vector<double> values(bars, 0);
    for (size_t n = 0; n < report->labels_histogram.size(); ++n) {
      values[std::min(n, bars - 1)] += 100 * static_cast<double>(report->labels_histogram[n]) /
                                       static_cast<double>(std::max<int64_t>(report->pictures, 1));
    }
    plot.groups.push_back({name, std::move(values)});
  }
  add_plot(slots.section("PLOT"), "FIGURE", plot);
}

// The shade: of the pictures that show the row's class, the part that shows the column's too.
void add_together(const DataSummary& data, const Slots& slots) {
  const CoOccurrence& together = data.together;
  const size_t T = together.classes.size();
  if (T < 2 || data.train.labels.labels_histogram.size() <= 2) {
    return;  // one label a picture: nothing is together
  }
  HeatMap map{.title = "Classes shown together (train): of the pictures that show the row's class, "
                       "the part that shows the column's",
              .rows = {}, .columns = {}};
  for (const int64_t column : together.classes) {
    map.rows.push_back(data.train.class_names[static_cast<size_t>(column)]);
  }
  map.columns = map.rows;
  for (size_t i = 0; i < T; ++i) {
    for (size_t j = 0; j < T; ++j) {
      map.values.push_back(i == j ? 0 : together.share(i, j));
      map.tips.push_back(fmt::format("{} and {}: {}, {:.0f} % of {}", map.rows[i], map.rows[j],
                                     counted(together.together[i * T + j], "picture"),
                                     100 * together.share(i, j), map.rows[i]));
    }
  }
  const Slots wide = slots.section("WIDE");
  add_plot(wide, "FIGURE", map);
  for (const std::string& pair : strongest_cells(map)) {
    wide.show("PAIR", "TEXT", pair);
  }
}

void add_sizes(const DataSummary& data, const Slots& slots) {
  LinePlot plot{.title = "Picture sizes, pixels", .x_label = "width", .y_label = "height"};
  std::set<std::pair<int, int>> different;
  int colour = 0;
  for (const auto& [name, split] :
       {std::pair("train", &data.train), std::pair("val", &data.val)}) {
    Series series{.name = fmt::format("{}, {} looked at", name, split->sizes.size()), .x = {},
                  .y = {}, .style = Series::Style::points, .colour = colour++};
    for (const SplitSummary::Size& size : split->sizes) {
      series.x.push_back(size.width);
      series.y.push_back(size.height);
      different.emplace(size.width, size.height);
    }
    plot.series.push_back(std::move(series));
  }
  if (different.size() == 1) {
    slots.show("ONE_SIZE", "SIZE", fmt::format("{} x {}", different.begin()->first,
                                              different.begin()->second));
  } else if (!different.empty()) {
    add_plot(slots.section("PLOT"), "FIGURE", plot);
  }
}

void add_bad(const DataSummary& data, const Slots& slots) {
  for (const auto& [name, split] :
       {std::pair("train", &data.train), std::pair("val", &data.val)}) {
    for (const BadPicture& bad : split->bad) {
      Slots row = slots.section("BAD");
      row.set("SPLIT", name);
      row.set("TEXT", bad.error);
    }
  }
}

// The commonest, as many as fit.
void add_classes(const std::vector<ClassCount>& counts, Slots slots) {
  RowBudget rows(140);
  for (size_t i = 0; i < counts.size(); ++i) {
    if (!rows.take(counts[i].name)) {
      slots.show("MORE", "COUNT", fmt::format("{}", counts.size() - i));
      return;
    }
    Slots row = slots.section("CLASS");
    row.set_name("NAME", counts[i].name);
    row.set("TRAIN", counts[i].train);
    row.set("VAL", counts[i].val);
  }
}

void fill_data(const ReportInput& input, PictureBudget& pictures, Slots slots) {
  const DataSummary& data = *input.data;
  const std::vector<ClassCount> counts = class_counts(data);
  add_frequencies(counts, slots);
  add_labels_per_picture(data, slots);
  add_sizes(data, slots);
  add_together(data, slots);
  add_bad(data, slots);
  add_classes(counts, slots);
  if (!data.mosaic.empty()) {
    const Slots mosaic = slots.section("MOSAIC");
    for (const AugmentedPicture& picture : data.mosaic) {
      if (auto shown = pictures.add(mosaic, "PICTURE", picture.jpeg,
                                    "Training picture: " + picture.labels)) {
        shown->set_name("LABELS", picture.labels);
      }
    }
  }
  for (const std::string& note : data.notes) {
    slots.show("NOTE", "TEXT", note);
  }
}

}  // namespace

const ReportSection data_section{"data", "Data", "data.html",
                                 [](const ReportInput& input) {
                                   return !input.several() && input.data != nullptr;
                                 },
                                 fill_data};

}  // namespace mld
