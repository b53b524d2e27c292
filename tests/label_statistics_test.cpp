// What a data set's labels are like: counts, and which classes are shown together.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "core/random.h"
#include "data/formats/file_dataset.h"
#include "data/label_statistics.h"

namespace mld {
namespace {

using Picture = std::vector<LabelEntry>;

class LabelsOnly : public Dataset {
 public:
  LabelsOnly(int64_t classes, const std::vector<Picture>& pictures)
      : Dataset({.names = std::vector<std::string>(static_cast<size_t>(classes), "c")}) {
    for (const Picture& picture : pictures) {
      labels_.add(picture);
    }
  }
  int64_t size() const override { return labels_.size(); }
  std::span<const LabelEntry> labels(int64_t i) const override { return labels_.row(i); }
  std::string source(int64_t) const override { return ""; }
  Image load(int64_t) const override { return {}; }

 private:
  LabelTable labels_;
};

Label label_of(const Dataset& data, int64_t sample, int64_t column) {
  for (const LabelEntry& entry : data.labels(sample)) {
    if (entry.column == column) {
      return entry.label;
    }
  }
  return data.unlisted().label;
}

}  // namespace

TEST_CASE("labels are counted, worked by hand") {
  const LabelsOnly data(4, {{{0}, {2}}, {}, {{2}, {3, Label::unknown}}, {{0}, {1, Label::absent}}});
  const LabelCounts counts = count_labels(data);
  CHECK(counts.pictures == 4);
  CHECK(counts.present == std::vector<int64_t>{2, 0, 2, 0});
  CHECK(counts.unknown == std::vector<int64_t>{0, 0, 0, 1});
  CHECK(counts.labels_histogram == std::vector<int64_t>{1, 2, 1});
  const CoOccurrence together = co_occurrence(data);
  CHECK(together.classes == std::vector<int64_t>{0, 2});
  CHECK(together.together == std::vector<int64_t>{2, 1, 1, 2});
  CHECK(together.share(0, 1) == 0.5);
  CHECK(together.share(0, 0) == 1);
  CHECK(co_occurrence(data, 1).classes == std::vector<int64_t>{0});
  CHECK(count_labels(LabelsOnly(1, {})).labels_histogram == std::vector<int64_t>{0});
  CHECK(co_occurrence(LabelsOnly(2, {{}})).classes.empty());
}

TEST_CASE("where nobody looked, a class takes no part in the shares") {
  LabelsOnly data(2, {{{0}, {1}}, {{0}}, {{0}}, {{0}, {1, Label::absent}}, {{1}}});
  CHECK(co_occurrence(data).share(0, 1) == 0.25);
  data.set_unlisted({.label = Label::unknown});
  CHECK(co_occurrence(data).share(0, 1) == 0.5);
  CHECK(co_occurrence(data).share(1, 0) == 1);
  LabelsOnly apart(2, {{{0}}, {{1}}});
  apart.set_unlisted({.label = Label::unknown});
  CHECK(co_occurrence(apart).share(0, 1) == 0);  // nothing is known
}

TEST_CASE("co-occurrence against counting, of the commonest classes, ties to the lower column") {
  RandomStream random({2, 0, 0});
  std::vector<Picture> pictures;
  for (int i = 0; i < 60; ++i) {
    Picture picture;
    for (int32_t k = 0; k < 9; ++k) {
      if (random.coin(k % 3 == 0 ? 0.6 : 0.2)) {
        picture.push_back({k, random.coin(0.2) ? Label::unknown : Label::present});
      }
    }
    pictures.push_back(picture);
  }
  const LabelsOnly data(9, pictures);
  const CoOccurrence found = co_occurrence(data, 6);
  REQUIRE(found.classes.size() == 6);
  const std::vector<int64_t> present = count_labels(data).present;
  const auto at = [&](int64_t k) { return present[static_cast<size_t>(k)]; };
  for (size_t i = 0; i < 6; ++i) {
    for (int64_t k = 0; k < 9; ++k) {  // whatever is commoner stands before it
      const auto place = std::ranges::find(found.classes, k) - found.classes.begin();
      const int64_t c = found.classes[i];
      CHECK(((at(k) > at(c) || (at(k) == at(c) && k < c)) ==
             (place < static_cast<std::ptrdiff_t>(i))));
    }
    for (size_t j = 0; j < 6; ++j) {
      int64_t both = 0, known = 0;
      for (int64_t n = 0; n < data.size(); ++n) {
        const bool shown = label_of(data, n, found.classes[i]) == Label::present;
        const Label other = label_of(data, n, found.classes[j]);
        both += shown && other == Label::present;
        known += shown && other != Label::unknown;
      }
      CHECK(found.together[i * 6 + j] == both);
      CHECK(found.known[i * 6 + j] == known);
    }
  }
}

}  // namespace mld
