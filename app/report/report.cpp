// The page: its sections in order.
#include "app/cli.h"
#include "app/report/section.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr size_t kMostBytes = 8'000'000;    // of a page
constexpr size_t kTextBytes = 3'000'000;    // of that, kept for texts and plots

const ReportSection* const kSections[] = {
    &summary_section,   &curves_section,       &data_section,      &metrics_section,
    &classes_section,   &scores_section,       &errors_section,    &label_errors_section,
    &confusion_section, &zero_shot_section,    &comparison_section, &config_section,
    &log_section};

// What was left out, and how the page was made.
void add_notes(const PictureBudget& pictures, const Slots& root) {
  if (pictures.left_out() > 0) {
    root.show("NOTE", "TEXT", fmt::format("Left out to keep this file below {} MB: {}.",
                                          kMostBytes / 1'000'000,
                                          counted(pictures.left_out(), "picture")));
  }
  root.show("NOTE", "TEXT", fmt::format("Written by mldecoder {}. This file needs no other, and no "
                                        "network.", kVersion));
}

std::string page(const ReportInput& input, size_t picture_bytes) {
  Document document("page.html");
  PictureBudget pictures(picture_bytes);
  Slots root = document.root();
  root.include("STYLE", "page.css");
  root.include("SCRIPT", "page.js");
  const std::string name =
      input.several() ? fmt::format("{} runs", input.runs.size()) : input.run().name;
  root.set("TITLE", name + " - mldecoder");
  root.set_name("NAME", name);
  const Slots nav = root.section("NAV");
  for (const ReportSection* section : kSections) {
    if (section->applies(input)) {
      const Slots shown = root.section("SECTION");
      for (Slots slots : {nav.section("LINK"), shown}) {
        slots.set("ID", section->id);
        slots.set("HEADING", section->heading);
      }
      section->fill(input, pictures, shown.include("BODY", section->file));
    }
  }
  add_notes(pictures, root);
  return document.html();
}

}  // namespace

std::string report_page(const ReportInput& input) {
  const size_t pictures = kMostBytes - kTextBytes;
  std::string text = page(input, pictures);
  if (text.size() > kMostBytes) {  // long texts: fewer pictures
    const size_t excess = text.size() - kMostBytes;
    text = page(input, pictures > excess ? pictures - excess : 0);
  }
  return text;
}

}  // namespace mld
