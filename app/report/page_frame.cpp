#include "app/report/page_frame.h"

#include "app/cli.h"
#include "data/text.h"

namespace mld {

Page::Page(std::string_view name)
    : document_("page.html"), navigation_(document_.root().section("NAV")) {
  Slots root = document_.root();
  root.include("STYLE", "page.css");
  root.include("SCRIPT", "page.js");
  root.set("TITLE", std::string(name) + " - mldecoder");
  root.set_name("NAME", name);
  root.set("VERSION", kVersion);
}

Slots Page::section(const char* id, const char* heading, const char* file) {
  const Slots shown = document_.root().section("SECTION");
  for (Slots slots : {navigation_.section("LINK"), shown}) {
    slots.set("ID", id);
    slots.set("HEADING", heading);
  }
  return shown.include("BODY", file);
}

void Page::note_left_out(int64_t pictures) {
  if (pictures > 0) {
    note(fmt::format("Left out to keep this file below {} MB: {}.", kMostPageBytes / 1'000'000,
                     counted(pictures, "picture")));
  }
}

}  // namespace mld
