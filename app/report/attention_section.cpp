// Where the model looks for its classes.
#include <algorithm>

#include "app/report/attention_summary.h"
#include "app/report/pictures.h"
#include "app/report/section.h"
#include "data/text.h"
#include "models/registry.h"

namespace mld {
namespace {

bool shows_unseen(const AttentionSummary::OfClass& one) {
  return std::ranges::any_of(one.pictures, [](const LabelledPicture& picture) {
    return !std::ranges::all_of(picture.labels, &LabelledPicture::ShownLabel::seen);
  });
}

void fill_attention(const ReportInput& input, PictureBudget& pictures, Slots slots) {
  if (input.attention == nullptr) {
    slots.show("LATER");
    return;
  }
  const AttentionSummary& attention = *input.attention;
  Slots looked = slots.section("LOOKED");
  const int64_t measured = input.run().best ? std::ssize(input.run().best->classes) : 0;
  looked.set("CLASSES", measured > std::ssize(attention.classes)
                            ? "classes with the worst and the best AP"
                            : "every class, the worst AP first");
  looked.set("HEADS", attention.heads);
  if (std::ranges::any_of(attention.classes, shows_unseen)) {
    looked.show("STARS");
  }
  for (const AttentionSummary::OfClass& one : attention.classes) {
    Slots shown = looked.section("CLASS");
    shown.set_name("NAME", one.name);
    if (one.ap) {
      shown.show("AP", "VALUE", fmt::format("{:.2f}", *one.ap));
    }
    for (const LabelledPicture& picture : one.pictures) {
      if (pictures.take(bytes_of(picture))) {
        show(picture, shown.section("PICTURE"));
      }
    }
  }
}

}  // namespace

const ReportSection attention_section{
    "attention", "Attention", "attention.html",
    [](const ReportInput& input) {
      return !input.several() &&
             head_row(input.run().config.config.model).attention_heads > 0;
    },
    fill_attention};

}  // namespace mld
