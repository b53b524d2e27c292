#include "app/report/split_scores.h"

#include <algorithm>

#include "app/report/pictures.h"
#include "core/error.h"
#include "core/parallel.h"
#include "data/text.h"

namespace mld {
namespace {

std::vector<size_t> worst_of(const Analysis& analysis, int64_t most) {
  std::vector<ClassAp> aps;
  for (const ClassAnalysis& one : analysis.classes) {
    aps.push_back({one.positives, one.ap});
  }
  return worst_classes(aps, most, [&](size_t k) { return analysis.classes[k].worst.any(); });
}

std::string labels_of(const Scores& scores, const std::vector<std::string>& names, int64_t row) {
  std::vector<std::string> present;
  for (size_t k = 0; k < names.size(); ++k) {
    if (scores.targets[static_cast<size_t>(row) * names.size() + k] == Label::present) {
      present.push_back(names[k]);
    }
  }
  return present.empty() ? "no label" : name_list(present);
}

}  // namespace

std::string ShownPicture::name() const {
  return source.empty() ? fmt::format("picture {}", sample + 1) : source;
}

std::string ShownPicture::short_name() const {
  const std::string all = name();
  const size_t slash = all.rfind('/');
  return slash == std::string::npos || slash + 1 == all.size() ? all : all.substr(slash + 1);
}

SplitScores analyze_scores(std::string split, const Scores& scores, ScoredClasses classes,
                           const ShownCounts& counts) {
  require<DataError>(std::ssize(classes.names) == scores.classes,
                     "scores of {}: {} classes, but the run has {}", split, scores.classes,
                     classes.names.size());
  SplitScores shown{.split = std::move(split), .classes = std::move(classes),
                    .samples = std::ssize(scores.indices), .analysis = {}, .worst_classes = {},
                    .pictures = {}, .problem = {}};
  shown.analysis =
      analyze(scores.predictions(), shown.classes.thresholds, shown.classes.single_label,
              {.worst = counts.errors, .label_errors = ShownCounts::kListed});
  shown.worst_classes = worst_of(shown.analysis, counts.classes);
  const auto show = [&](int64_t row, bool large) {
    ShownPicture& picture = shown.pictures[row];
    picture.sample = scores.indices[static_cast<size_t>(row)];
    picture.large = picture.large || large;
    picture.labels = labels_of(scores, shown.classes.names, row);
  };
  for (const size_t k : shown.worst_classes) {
    const WorstErrors& worst = shown.analysis.classes[k].worst;
    for (const auto* errors : {&worst.false_positives, &worst.false_negatives}) {
      for (const ScoredSample& error : *errors) {
        show(error.sample, true);
      }
    }
  }
  for (int64_t i = 0; const LabelError& error : shown.analysis.label_errors.worst) {
    show(error.sample, i++ < counts.label_errors);
  }
  return shown;
}

void add_pictures(const Dataset& data, const Scores& scores, SplitScores& shown) {
  constexpr int kSide = 112;
  if (scores.split_size != data.size() || scores.fingerprint != fingerprint(data)) {
    shown.problem = fmt::format(
        "No pictures of {}: its pictures or labels are not those that were scored. To score them: "
        "mlinfer eval {} --split {} --keep-scores", shown.split, shown.run, shown.split);
    return;
  }
  std::vector<ShownPicture*> all;
  for (auto& [row, picture] : shown.pictures) {
    all.push_back(&picture);
  }
  std::vector<std::string> problems(all.size());
  parallel_for(std::ssize(all), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      ShownPicture& picture = *all[static_cast<size_t>(i)];
      picture.source = data.source(picture.sample);
      try {
        if (picture.large) {
          picture.jpeg = thumbnail(data.load(picture.sample), kSide);
        }
      } catch (const DataError&) {  // a bad picture is shown by name only
      } catch (const Error& error) {
        problems[static_cast<size_t>(i)] = error.what();
      }
    }
  });
  const auto first = std::ranges::find_if(problems, [](const auto& text) { return !text.empty(); });
  shown.problem = first == problems.end() ? "" : "No pictures: " + *first;
}

}  // namespace mld
