// The frame of a page: head, navigation, sections, notes at its end.
#pragma once

#include <string>
#include <string_view>

#include "app/report/slots.h"

namespace mld {

inline constexpr size_t kMostPageBytes = 8'000'000;
inline constexpr size_t kPageTextBytes = 3'000'000;  // of these, kept for texts and plots

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

}  // namespace mld
