#include "train/analysis/confusions.h"

#include <algorithm>
#include <tuple>

#include "core/error.h"
#include "train/analysis/keep_best.h"

namespace mld {
namespace {

// Lists of numbers, one after another in one block.
struct Lists {
  std::vector<int32_t> values;
  std::vector<size_t> ends = {0};

  void close() { ends.push_back(values.size()); }
  std::span<const int32_t> operator[](size_t i) const {
    return std::span(values).subspan(ends[i], ends[i + 1] - ends[i]);
  }
  size_t size() const { return ends.size() - 1; }
};

// Which lists hold each number below n: the same relation from the other side.
Lists inverse(const Lists& lists, size_t n) {
  Lists result;
  result.values.resize(lists.values.size());
  result.ends.assign(n + 1, 0);
  for (const int32_t value : lists.values) {
    ++result.ends[static_cast<size_t>(value) + 1];
  }
  for (size_t k = 0; k < n; ++k) {
    result.ends[k + 1] += result.ends[k];
  }
  std::vector<size_t> next(result.ends.begin(), result.ends.end() - 1);
  for (size_t i = 0; i < lists.size(); ++i) {
    for (const int32_t value : lists[i]) {
      result.values[next[static_cast<size_t>(value)]++] = static_cast<int32_t>(i);
    }
  }
  return result;
}

// Both kinds of error of the pictures that have both; and all errors, counted.
struct WrongDecisions {
  Lists positives, negatives;  // classes, per such picture

  WrongDecisions(const Predictions& p, std::span<const double> thresholds, Confusions& counts) {
    const auto classes = static_cast<size_t>(p.classes);
    std::vector<int32_t> extra, missed;
    for (size_t at = 0; at < p.scores.size(); at += classes) {
      extra.clear();
      missed.clear();
      for (size_t k = 0; k < classes; ++k) {
        const bool predicted = double{p.scores[at + k]} >= thresholds[k];
        if (predicted && p.targets[at + k] == Label::absent) {
          extra.push_back(static_cast<int32_t>(k));
          ++counts.false_positives[k];
        } else if (!predicted && p.targets[at + k] == Label::present) {
          missed.push_back(static_cast<int32_t>(k));
          ++counts.false_negatives[k];
        }
      }
      if (!extra.empty() && !missed.empty()) {
        positives.values.insert(positives.values.end(), extra.begin(), extra.end());
        positives.close();
        negatives.values.insert(negatives.values.end(), missed.begin(), missed.end());
        negatives.close();
      }
    }
  }
};

bool commoner(const ConfusedPair& a, const ConfusedPair& b) {
  return std::tie(b.pictures, a.predicted, a.missed) < std::tie(a.pictures, b.predicted, b.missed);
}

}  // namespace

Confusions confusions(const Predictions& p, std::span<const double> thresholds, int64_t most) {
  check_predictions(p);
  require(static_cast<int64_t>(thresholds.size()) == p.classes,
          "confusions: {} thresholds for {} classes", thresholds.size(), p.classes);
  const auto classes = static_cast<size_t>(p.classes);
  Confusions result;
  result.false_positives.resize(classes);
  result.false_negatives.resize(classes);
  const WrongDecisions wrong(p, thresholds, result);
  const Lists pictures = inverse(wrong.negatives, classes);
  std::vector<int64_t> together(classes);  // with one missed class
  std::vector<size_t> touched;
  for (size_t missed = 0; missed < classes; ++missed) {
    for (const int32_t picture : pictures[missed]) {
      for (const int32_t k : wrong.positives[static_cast<size_t>(picture)]) {
        const auto predicted = static_cast<size_t>(k);
        if (together[predicted]++ == 0) {
          touched.push_back(predicted);
        }
      }
    }
    result.distinct += std::ssize(touched);
    for (const size_t predicted : touched) {
      result.pairs.push_back({static_cast<int64_t>(predicted), static_cast<int64_t>(missed),
                              together[predicted]});
      together[predicted] = 0;
    }
    touched.clear();
    keep_best_of_many(result.pairs, most, commoner);
  }
  keep_best(result.pairs, most, commoner);
  return result;
}

std::vector<int64_t> only_labels(const Predictions& p) {
  const auto classes = static_cast<size_t>(p.classes);
  std::vector<int64_t> labels;
  for (size_t at = 0; at < p.targets.size(); at += classes) {
    const auto targets = p.targets.subspan(at, classes);
    const auto count = std::ranges::count(targets, Label::present);
    require(count == 1, "sample {} has {} labels, but exactly one is needed", at / classes, count);
    labels.push_back(std::ranges::find(targets, Label::present) - targets.begin());
  }
  return labels;
}

ConfusionMatrix confusion_matrix(const Predictions& p) {
  check_predictions(p);
  const std::vector<int64_t> labels = only_labels(p);
  const auto classes = static_cast<size_t>(p.classes);
  ConfusionMatrix matrix;
  matrix.pictures.resize(classes);
  std::vector<ConfusionMatrix::Cell> single;  // one per picture
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto scores = p.scores.subspan(i * classes, classes);
    single.push_back({labels[i], std::ranges::max_element(scores) - scores.begin(), 1});
    ++matrix.pictures[static_cast<size_t>(labels[i])];
  }
  std::ranges::sort(single, [](const auto& a, const auto& b) {
    return std::tie(a.label, a.predicted) < std::tie(b.label, b.predicted);
  });
  for (const ConfusionMatrix::Cell& cell : single) {
    if (!matrix.cells.empty() && matrix.cells.back().label == cell.label &&
        matrix.cells.back().predicted == cell.predicted) {
      ++matrix.cells.back().pictures;
    } else {
      matrix.cells.push_back(cell);
    }
  }
  return matrix;
}

int64_t ConfusionMatrix::count(int64_t label, int64_t predicted) const {
  const auto cell = std::ranges::lower_bound(
      cells, std::tuple(label, predicted), {},
      [](const Cell& c) { return std::tuple(c.label, c.predicted); });
  const bool found = cell != cells.end() && cell->label == label && cell->predicted == predicted;
  return found ? cell->pictures : 0;
}

double ConfusionMatrix::share(int64_t label, int64_t predicted) const {
  const int64_t all = pictures.at(static_cast<size_t>(label));
  return all > 0 ? static_cast<double>(count(label, predicted)) / static_cast<double>(all) : 0;
}

std::vector<ConfusionMatrix::Cell> ConfusionMatrix::worst(int64_t most) const {
  std::vector<Cell> wrong;
  std::ranges::copy_if(cells, std::back_inserter(wrong),
                       [](const Cell& cell) { return cell.label != cell.predicted; });
  keep_best(wrong, most, [](const Cell& a, const Cell& b) {
    return std::tie(b.pictures, a.label, a.predicted) < std::tie(a.pictures, b.label, b.predicted);
  });
  return wrong;
}

}  // namespace mld
