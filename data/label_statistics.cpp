#include "data/label_statistics.h"

#include <algorithm>
#include <numeric>

namespace mld {

LabelCounts count_labels(const Dataset& data) {
  const size_t classes = data.class_names().size();
  LabelCounts counts;
  counts.pictures = data.size();
  counts.present.assign(classes, 0);
  counts.unknown.assign(classes, 0);
  counts.labels_histogram.assign(1, 0);
  for (int64_t i = 0; i < data.size(); ++i) {
    size_t present = 0;
    for (const LabelEntry& entry : data.labels(i)) {
      const auto k = static_cast<size_t>(entry.column);
      counts.present[k] += entry.label == Label::present;
      counts.unknown[k] += entry.label == Label::unknown;
      present += entry.label == Label::present;
    }
    if (present >= counts.labels_histogram.size()) {
      counts.labels_histogram.resize(present + 1, 0);
    }
    ++counts.labels_histogram[present];
  }
  return counts;
}

namespace {

std::vector<int64_t> commonest(const std::vector<int64_t>& present, int64_t most) {
  std::vector<int64_t> order(present.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto count = [&](int64_t k) { return present[static_cast<size_t>(k)]; };
  std::ranges::stable_sort(order, std::greater{}, count);
  std::erase_if(order, [&](int64_t k) { return count(k) == 0; });
  order.resize(static_cast<size_t>(std::clamp<int64_t>(most, 0, std::ssize(order))));
  return order;
}

}  // namespace

CoOccurrence co_occurrence(const Dataset& data, int64_t most) {
  CoOccurrence result;
  result.classes = commonest(count_labels(data).present, most);
  const size_t T = result.classes.size();
  result.together.assign(T * T, 0);
  result.known.assign(T * T, 0);
  constexpr size_t kOther = static_cast<size_t>(-1);
  std::vector<size_t> place(data.class_names().size(), kOther);  // among the commonest
  for (size_t i = 0; i < T; ++i) {
    place[static_cast<size_t>(result.classes[i])] = i;
  }
  std::vector<Label> labels(T);
  for (int64_t sample = 0; sample < data.size(); ++sample) {
    labels.assign(T, data.unlisted().label);
    for (const LabelEntry& entry : data.labels(sample)) {
      if (const size_t i = place[static_cast<size_t>(entry.column)]; i != kOther) {
        labels[i] = entry.label;
      }
    }
    for (size_t i = 0; i < T; ++i) {
      for (size_t j = 0; labels[i] == Label::present && j < T; ++j) {
        result.together[i * T + j] += labels[j] == Label::present;
        result.known[i * T + j] += labels[j] != Label::unknown;
      }
    }
  }
  return result;
}

double CoOccurrence::share(size_t i, size_t j) const {
  const size_t at = i * classes.size() + j;
  return known[at] > 0 ? static_cast<double>(together[at]) / static_cast<double>(known[at]) : 0;
}

}  // namespace mld
