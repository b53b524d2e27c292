// The templates of HTML pages: the files beside this one, which embed.cmake makes a part of us.
#pragma once

#include <span>
#include <string_view>

namespace mld {

struct TemplateFile {
  const char* name;  // "page.html"
  std::string_view text;
};
extern const std::span<const TemplateFile> kTemplateFiles;

}  // namespace mld
