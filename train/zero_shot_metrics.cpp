#include "train/zero_shot_metrics.h"

#include <algorithm>

#include "core/error.h"

namespace mld {

Scores scores_of(const Predictions& all, const std::vector<bool>& wanted) {
  const auto K = static_cast<size_t>(all.classes);
  require(wanted.size() == K, "zero_shot_metrics: {} marks for {} classes", wanted.size(), K);
  Scores part{.classes = std::ranges::count(wanted, true)};
  for (size_t at = 0; at < all.targets.size(); at += K) {
    bool shown = false;
    for (size_t k = 0; k < K; ++k) {
      shown |= wanted[k] && all.targets[at + k] == Label::present;
    }
    for (size_t k = 0; shown && k < K; ++k) {
      if (wanted[k]) {
        part.scores.push_back(all.scores[at + k]);
        part.targets.push_back(all.targets[at + k]);
      }
    }
  }
  return part;
}

static PartMetrics part_metrics(const Predictions& all, const std::vector<bool>& wanted,
                                Unknown unknown) {
  const Scores scores = scores_of(all, wanted);
  const Predictions part = scores.predictions();
  PartMetrics result{.classes = part.classes, .pictures = part.samples()};
  if (result.pictures > 0) {
    const MeanAp present = map_present(part);
    result.map = present.percent;
    for (size_t k = 0; k < present.positives.size(); ++k) {
      int64_t known = 0;  // AP leaves unknown labels out
      for (size_t at = k; at < part.targets.size(); at += present.positives.size()) {
        known += part.targets[at] != Label::unknown;
      }
      if (present.positives[k] > 0) {
        result.chance += 100 * chance_ap(present.positives[k], known) /
                         static_cast<double>(part.classes - present.without_positives);
      }
    }
    result.map_official = official_map(part).percent;
    result.f1_3 = f1k(part, 3, false, unknown).f1;
    result.f1_5 = f1k(part, 5, false, unknown).f1;
  }
  return result;
}

double chance_ap(int64_t P, int64_t N) {
  const double slope =
      N > 1 ? static_cast<double>(P - 1) / static_cast<double>(N - 1) : 0;
  double sum = 0;
  for (int64_t r = 1; r <= N; ++r) {
    sum += (1 + static_cast<double>(r - 1) * slope) / static_cast<double>(r);
  }
  return sum / static_cast<double>(N);
}

ZeroShotMetrics zero_shot_metrics(const Predictions& predictions, const std::vector<bool>& seen,
                                  Unknown unknown) {
  std::vector<bool> unseen = seen;
  unseen.flip();
  return {.unseen = part_metrics(predictions, unseen, unknown),
          .all = part_metrics(predictions, std::vector<bool>(seen.size(), true), unknown),
          .seen = part_metrics(predictions, seen, unknown)};
}

std::vector<NamedValue> named_values(const ZeroShotMetrics& m) {
  return {
      {"mAP_ZSL", m.unseen.map, "unseen classes, pictures that show one", true},
      {"mAP_official_ZSL", m.unseen.map_official, "with 0 for unseen classes without positives"},
      {"chance_ZSL", m.unseen.chance, "mAP_ZSL to expect of random scores"},
      {"F1@3_ZSL", m.unseen.f1_3, "the 3 best unseen labels of these pictures"},
      {"F1@5_ZSL", m.unseen.f1_5, "the 5 best unseen labels of these pictures"},
      {"mAP_GZSL", m.all.map, "all classes, pictures that show one", true},
      {"chance_GZSL", m.all.chance, "mAP_GZSL to expect of random scores"},
      {"F1@3_GZSL", m.all.f1_3, "the 3 best of all labels"},
      {"F1@5_GZSL", m.all.f1_5, "the 5 best of all labels"},
      {"mAP_seen", m.seen.map, "seen classes, pictures that show one", true},
      {"F1@3_seen", m.seen.f1_3, "the 3 best seen labels of these pictures"},
      {"F1@5_seen", m.seen.f1_5, "the 5 best seen labels of these pictures"},
  };
}

}  // namespace mld
