// The frame of a page: head, navigation, sections, notes at its end.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "app/report/slots.h"

namespace mld {

inline constexpr size_t kMostPageBytes = 8'000'000;
inline constexpr size_t kPageTextBytes = 3'000'000;  // of these, kept for texts and plots

// Looks, before any work, whether a page can be written there; `option` named the place. Errors:
// UsageError for a folder, a file in no folder, or a file that is there and is none of our pages.
void require_page_place(const std::filesystem::path& out, std::string_view option);

class Page {
 public:
  explicit Page(std::string_view name);

  // A section with its link in the navigation; returns the slots of its template, `file`.
  Slots section(const char* id, const char* heading, const char* file);
  void note(std::string_view text) { document_.root().show("NOTE", "TEXT", text); }
  // "Left out to keep this file below 8 MB: 3 pictures.", if there are some.
  void note_left_out(int64_t pictures);
  std::string html() const { return document_.html(); }

 private:
  Document document_;
  Slots navigation_;
};

// The page that `render` makes with pictures of at most so many bytes, which it lowers to what they
// take; again with fewer, as long as the page is larger than kMostPageBytes and pictures are left.
std::string fit_page(size_t pictures, const std::function<std::string(size_t& pictures)>& render);

}  // namespace mld
