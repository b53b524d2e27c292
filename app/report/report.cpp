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

// Pictures take at most `picture_bytes` of it, which becomes what they do take.
std::string page(const ReportInput& input, size_t& picture_bytes) {
  Page page(input.several() ? fmt::format("{} runs", input.runs.size()) : input.run().name);
  PictureBudget pictures(picture_bytes);
  for (const ReportSection* section : kSections) {
    if (section->applies(input)) {
      section->fill(input, pictures, page.section(section->id, section->heading, section->file));
    }
  }
  page.note_left_out(pictures.left_out());
  picture_bytes = pictures.used();
  return page.html();
}

}  // namespace

std::span<const ReportSection* const> report_sections() { return kSections; }

std::string report_page(const ReportInput& input) {
  return fit_page(kMostPageBytes - kPageTextBytes,
                  [&](size_t& pictures) { return page(input, pictures); });
}

}  // namespace mld
