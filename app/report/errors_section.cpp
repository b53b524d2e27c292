// The pictures that the model is most wrong about, class by class.
#include <algorithm>

#include "app/report/plot.h"
#include "app/report/section.h"
#include "data/text.h"
#include "train/thresholds.h"

namespace mld {
namespace {

void add_picture(const Slots& kind, const SplitScores& val, const ScoredSample& error,
                 const std::string& what, PictureBudget& pictures) {
  const ShownPicture& picture = val.picture(error.sample);
  const Slots item = kind.section("PICTURE");
  if (picture.jpeg.empty() ||
      !pictures.add(item, "THUMB", picture.jpeg,
                    fmt::format("{}, {}, labelled {}", picture.name(), what, picture.labels))) {
    item.show("NO_THUMB");
  }
  Slots words = item;
  words.set("SCORE", fmt::format("{:.3f}", error.score));
  words.set_name("FILE", picture.name());
  words.set("FILE", picture.short_name());
  words.set_name("LABELS", picture.labels);
}

struct ErrorKind {
  const char* name;
  const char* meaning;
  int64_t count;
  const std::vector<ScoredSample>& worst;
};

void add_kind(const Slots& one, const SplitScores& val, const ErrorKind& kind,
              PictureBudget& pictures) {
  if (kind.count == 0) {
    return;
  }
  Slots slots = one.section("KIND");
  slots.set("COUNT", fmt::format("{}: {}{}", kind.name, kind.count, kind.meaning));
  for (const ScoredSample& error : kind.worst) {
    add_picture(slots, val, error, fmt::format("score {:.3f}", error.score), pictures);
  }
}

void fill_errors(const ReportInput& input, PictureBudget& pictures, Slots slots) {
  const SplitScores& val = *input.val;
  slots.set("STEP", val.weights.step);
  slots.set("DECIDED", val.classes.single_label ? "found is the class with the best score"
                                                : "each class at its threshold");
  if (!val.problem.empty()) {
    slots.show("PROBLEM", "TEXT", val.problem);
  }
  for (const size_t k : val.worst_classes) {
    const ClassAnalysis& analysis = val.analysis.classes[k];
    Slots one = slots.section("CLASS");
    one.set_name("NAME", val.classes.names[k]);
    const std::string threshold =
        val.classes.single_label
            ? ""
            : fmt::format(", threshold {}", threshold_text(analysis.at.threshold, 3));
    one.set("FACTS", fmt::format("in {} of {}, AP {:.2f}{}", analysis.positives,
                                 counted(val.samples - analysis.unknown, "picture"),
                                 100 * analysis.ap, threshold));
    add_kind(one, val, {"Not there, but found", ", highest score first",
                        analysis.worst.all_false_positives, analysis.worst.false_positives},
             pictures);
    add_kind(one, val, {"There, but missed", ", lowest score first",
                        analysis.worst.all_false_negatives, analysis.worst.false_negatives},
             pictures);
  }
  const auto wrong = std::ranges::count_if(val.analysis.classes, [](const ClassAnalysis& one) {
    return one.worst.any();
  });
  if (wrong > std::ssize(val.worst_classes)) {
    slots.show("MORE", "COUNT", fmt::format("{}", wrong - std::ssize(val.worst_classes)));
  }
}

}  // namespace

const ReportSection errors_section{"errors", "Worst errors", "errors.html",
                                   [](const ReportInput& input) {
                                     return !input.several() && input.val != nullptr &&
                                            !input.val->worst_classes.empty();
                                   },
                                   fill_errors};

}  // namespace mld
