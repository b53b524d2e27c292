// The page: its sections in order.
#include "app/report/page_frame.h"
#include "app/report/section.h"

namespace mld {
namespace {

const ReportSection* const kSections[] = {
    &summary_section, &curves_section,    &data_section,         &metrics_section,
    &classes_section, &scores_section,    &errors_section,       &label_errors_section,
    &attention_section, &confusion_section, &zero_shot_section,  &comparison_section,
    &config_section,  &log_section};

std::string page(const ReportInput& input, size_t picture_bytes) {
  Page page(input.several() ? fmt::format("{} runs", input.runs.size()) : input.run().name);
  PictureBudget pictures(picture_bytes);
  for (const ReportSection* section : kSections) {
    if (section->applies(input)) {
      section->fill(input, pictures, page.section(section->id, section->heading, section->file));
    }
  }
  page.note_left_out(pictures.left_out());
  return page.html();
}

}  // namespace

std::string report_page(const ReportInput& input) {
  const size_t pictures = kMostPageBytes - kPageTextBytes;
  std::string text = page(input, pictures);
  if (text.size() > kMostPageBytes) {  // long texts: fewer pictures
    const size_t excess = text.size() - kMostPageBytes;
    text = page(input, pictures > excess ? pictures - excess : 0);
  }
  return text;
}

}  // namespace mld
