#include "data/val_fraction.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "core/error.h"
#include "core/random.h"
#include "data/file.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr uint32_t kSplitStream = 0x4C0020;
constexpr int64_t kMostListBytes = int64_t{1} << 30;

// The samples of each stratum in random order: one per class, and last those without labels.
std::vector<std::vector<int64_t>> strata_of(const Dataset& data, uint64_t seed) {
  const size_t classes = data.class_names().size();
  std::vector<int64_t> pictures(classes);  // how many show the class, or may
  for (int64_t i = 0; i < data.size(); ++i) {
    for (const LabelEntry& entry : data.labels(i)) {
      pictures[static_cast<size_t>(entry.column)] += entry.label != Label::absent;
    }
  }
  std::vector<int64_t> order(static_cast<size_t>(data.size()));
  std::iota(order.begin(), order.end(), int64_t{0});
  RandomStream random({seed, 0, kSplitStream});
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<size_t>(random.below(static_cast<int>(i)))]);
  }
  std::vector<std::vector<int64_t>> strata(classes + 1);
  for (const int64_t sample : order) {
    size_t rarest = classes;
    for (const LabelEntry& entry : data.labels(sample)) {
      const auto column = static_cast<size_t>(entry.column);
      const bool rarer = rarest == classes || pictures[column] < pictures[rarest];
      rarest = entry.label != Label::absent && rarer ? column : rarest;
    }
    strata[rarest].push_back(sample);
  }
  return strata;
}

class Subset : public Dataset {
 public:
  Subset(std::unique_ptr<Dataset> data, std::vector<int64_t> samples, LabelSpace space,
         std::optional<LabelTable> labels)
      : Dataset(std::move(space)), data_(std::move(data)), samples_(std::move(samples)),
        own_labels_(std::move(labels)) {
    set_unlisted(data_->unlisted());
    for (const std::string& note : data_->notes()) {
      add_note(note);
    }
  }

  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  std::span<const LabelEntry> labels(int64_t i) const override {
    return own_labels_ ? own_labels_->row(i) : data_->labels(at(i));
  }
  Image load(int64_t i) const override { return data_->load(at(i)); }
  void probe(int64_t i) const override { data_->probe(at(i)); }
  std::string source(int64_t i) const override { return data_->source(at(i)); }
  std::string file(int64_t i) const override { return data_->file(at(i)); }
  int64_t stored_bytes(int64_t i) const override { return data_->stored_bytes(at(i)); }
  std::string stored(int64_t i) const override { return data_->stored(at(i)); }

 private:
  int64_t at(int64_t i) const { return samples_.at(static_cast<size_t>(i)); }

  std::unique_ptr<Dataset> data_;
  std::vector<int64_t> samples_;
  std::optional<LabelTable> own_labels_;
};

}  // namespace

std::vector<bool> validation_part(const Dataset& data, double fraction, uint64_t seed) {
  std::vector<std::vector<int64_t>> strata = strata_of(data, seed);
  std::stable_sort(strata.begin(), strata.end(),
                   [](const auto& a, const auto& b) { return a.size() < b.size(); });
  std::vector<bool> chosen(static_cast<size_t>(data.size()));
  double carried = 0.5;  // rounding error carried over
  for (const std::vector<int64_t>& stratum : strata) {
    const double part = fraction * static_cast<double>(stratum.size());
    carried += part;
    const double limit = std::min(std::ceil(part), static_cast<double>(stratum.size()) - 1);
    const double taken = std::max(0.0, std::min(std::floor(carried), limit));
    for (size_t i = 0; i < static_cast<size_t>(taken); ++i) {
      chosen[static_cast<size_t>(stratum[i])] = true;
    }
    carried = std::min(carried - taken, 1.0);  // others do not give what a small one must keep
  }
  require<DataError>(std::find(chosen.begin(), chosen.end(), true) != chosen.end(),
                     "data.val_fraction = {} of {} leaves none for validation; raise it", fraction,
                     counted(data.size(), "picture"));
  return chosen;
}

std::vector<bool> listed_part(const Dataset& data, const std::filesystem::path& list) {
  const std::string name = printable(list.native());
  const std::string file = read_text_file(list, kMostListBytes);
  std::unordered_map<std::string, int64_t> line_of;
  for_filled_lines(without_mark(file, name), [&](std::string_view line, int64_t number) {
    const auto [first, is_new] = line_of.emplace(line, number);
    require<DataError>(is_new, "{}:{}: '{}' is in line {} already", name, number, printable(line),
                       first->second);
  });
  require<DataError>(!line_of.empty(), "{}: the list is empty", name);
  std::vector<bool> chosen(static_cast<size_t>(data.size()));
  for (int64_t i = 0; i < data.size(); ++i) {
    chosen[static_cast<size_t>(i)] = line_of.contains(data.source(i));
  }
  for (int64_t i = 0; i < data.size(); ++i) {
    line_of.erase(data.source(i));
  }
  if (!line_of.empty()) {
    const auto& [line, number] =
        *std::ranges::min_element(line_of, {}, [](const auto& entry) { return entry.second; });
    fail<DataError>("{}:{}: '{}' is not among the {} of the data{}; write the paths as `mltrain "
                    "init` does, such as {}, or make the list again", name, number,
                    printable(line), counted(data.size(), "picture"),
                    line_of.size() > 1 ? fmt::format(" ({} such lines)", line_of.size()) : "",
                    printable(data.source(0)));
  }
  require<DataError>(std::ranges::count(chosen, false) > 0,
                     "{}: it lists every picture, which leaves none for training", name);
  return chosen;
}

std::unique_ptr<Dataset> subset(std::unique_ptr<Dataset> data, std::vector<int64_t> samples) {
  LabelSpace space = data->label_space();
  return std::make_unique<Subset>(std::move(data), std::move(samples), std::move(space),
                                  std::nullopt);
}

std::unique_ptr<Dataset> subset(std::unique_ptr<Dataset> data, std::vector<int64_t> samples,
                                LabelSpace space, LabelTable labels) {
  return std::make_unique<Subset>(std::move(data), std::move(samples), std::move(space),
                                  std::move(labels));
}

}  // namespace mld
