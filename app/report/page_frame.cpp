#include "app/report/page_frame.h"

#include <unistd.h>

#include <algorithm>

#include "app/cli.h"
#include "core/error.h"
#include "data/file_pieces.h"
#include "data/text.h"

namespace mld {

static constexpr const char* kTitleEnd = " - mldecoder";

static bool is_our_page(const std::filesystem::path& file) {
  std::string start;
  read_in_pieces(file, [&](std::string_view piece, int64_t) {
    start = piece.substr(0, 4096);
    return false;
  });
  return start.empty() ||
         (start.find("<!doctype html>") < 16 && start.find(kTitleEnd) != std::string::npos);
}

void require_page_place(const std::filesystem::path& out, std::string_view option) {
  namespace fs = std::filesystem;
  const std::string name = printable(out.native());
  std::error_code absent;
  require<UsageError>(!fs::is_directory(out, absent),
                      "{}: {} is a folder; give the name of a page", option, name);
  const fs::path parent = out.has_parent_path() ? out.parent_path() : ".";
  require<UsageError>(fs::is_directory(parent, absent), "{}: there is no folder {}", option,
                      printable(parent.native()));
  require<UsageError>(::access(parent.c_str(), W_OK | X_OK) == 0,
                      "{}: {} is not a folder that can be written to; give another place", option,
                      printable(parent.native()));
  require<UsageError>(!fs::exists(out, absent) || is_our_page(out),
                      "{}: {} is there, and no page of ours; give another name", option, name);
}

Page::Page(std::string_view name)
    : document_("page.html"), navigation_(document_.root().section("NAV")) {
  Slots root = document_.root();
  root.include("STYLE", "page.css");
  root.include("SCRIPT", "page.js");
  root.set("TITLE", std::string(name) + kTitleEnd);
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

std::string fit_page(size_t pictures,
                     const std::function<std::string(size_t& pictures)>& render) {
  std::string text = render(pictures);
  while (text.size() > kMostPageBytes && pictures > 0) {  // long texts
    pictures -= std::min(pictures, text.size() - kMostPageBytes);
    text = render(pictures);
  }
  return text;
}

void Page::note_left_out(int64_t pictures) {
  if (pictures > 0) {
    note(fmt::format("Left out to keep this file below {} MB: {}.", kMostPageBytes / 1'000'000,
                     counted(pictures, "picture")));
  }
}

}  // namespace mld
