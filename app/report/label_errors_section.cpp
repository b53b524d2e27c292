// Labels that may be wrong: where the model is confident of something else.
#include "app/report/section.h"
#include "data/text.h"

namespace mld {
namespace {

// "cat is missing", "dog is wrong", "dog should be cat": as suspected.
void set_suspicion(const LabelError& error, const std::vector<std::string>& names, Slots row) {
  const auto name = [&](int64_t k) { return names[static_cast<size_t>(k)]; };
  if (error.given == LabelError::kNone) {
    row.section("MISSING").set_name("CLASS", name(error.likely));
  } else if (error.likely == LabelError::kNone) {
    row.section("WRONG").set_name("CLASS", name(error.given));
  } else {
    Slots other = row.section("OTHER");
    other.set_name("CLASS", name(error.given));
    other.set_name("LIKELY", name(error.likely));
  }
}

void add_split(const SplitScores& split, PictureBudget& pictures, const Slots& slots) {
  const LabelErrors& errors = split.analysis.label_errors;
  Slots list = slots.section("SPLIT");
  list.set("NAME", split.split);
  list.set("FOUND", fmt::format("{} of {}", counted(errors.found, "suspect label"),
                                counted(split.samples, "picture")));
  if (errors.found > std::ssize(errors.worst)) {
    list.show("MOST", "COUNT", fmt::format("{}", errors.worst.size()));
  }
  if (!split.problem.empty()) {
    list.show("PROBLEM", "TEXT", split.problem);
  }
  if (errors.worst.empty()) {
    return;
  }
  const Slots table = list.section("TABLE");
  for (int64_t place = 0; const LabelError& error : errors.worst) {
    const ShownPicture& picture = split.picture(error.sample);
    Slots row = table.section("ERROR");
    // Pictures of rows further down may be large too: they are above, or a class's worst error.
    if (place++ < ShownCounts().label_errors && !picture.jpeg.empty()) {
      pictures.add(row, "THUMB", picture.jpeg, picture.name());
    }
    row.set_name("FILE", picture.name());
    row.set_name("LABELS", picture.labels);
    set_suspicion(error, split.classes.names, row);
    row.set("SCORE", fmt::format("{:.3f}", error.score));
    row.set("MARGIN", fmt::format("{:+.3f}", error.margin));
  }
}

void fill_label_errors(const ReportInput& input, PictureBudget& pictures, Slots slots) {
  add_split(*input.val, pictures, slots);
  if (input.train != nullptr) {
    add_split(*input.train, pictures, slots);
    if (input.train->weights != input.val->weights) {
      slots.show("OLDER", "STEP", fmt::format("{}", input.train->weights.step));
    }
  }
  if (input.train == nullptr || input.train->weights != input.val->weights) {
    const std::string folder = shell_word(input.run().folder.root.native());
    slots.show("HINT", "COMMAND",
               fmt::format("mlinfer eval {} --split train --keep-scores && mltrain report {}",
                           folder, folder));
  }
}

}  // namespace

const ReportSection label_errors_section{
    "label-errors", "Labels that may be wrong", "label_errors.html",
    [](const ReportInput& input) { return !input.several() && input.val != nullptr; },
    fill_label_errors};

}  // namespace mld
