// The run's warnings and messages, and what of its files could not be read.
#include <algorithm>

#include "app/report/section.h"

namespace mld {
namespace {

bool applies(const ReportInput& input) {
  const RunHistory& history = input.run().history;
  return !input.several() && (!history.notes.empty() || !history.problems.empty());
}

void fill_log(const ReportInput& input, PictureBudget&, Slots slots) {
  constexpr size_t kMost = 200;
  const RunHistory& history = input.run().history;
  for (const std::string& problem : history.problems) {
    slots.show("PROBLEM", "TEXT", problem);
  }
  const size_t all = history.notes.size();
  for (size_t i = all - std::min(all, kMost); i < all; ++i) {  // the last say how the run ended
    Slots row = slots.section("NOTE");
    row.set("STEP", history.notes[i].step);
    row.set("KIND", history.notes[i].warning ? "warning" : "message");
    row.set("TEXT", history.notes[i].text);
  }
  if (all > kMost) {
    slots.show("MORE", "COUNT", fmt::format("{}", all - kMost));
  }
}

}  // namespace

const ReportSection log_section{"log", "Warnings and messages", "log.html", applies, fill_log};

}  // namespace mld
