// Names that would break a page that does not escape them, and the check that it does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace mld::test {

// Names as an attacker, or an unlucky user, would choose them.
inline const std::vector<std::string> kHostile = {
    "<script>alert(1)</script>",
    "\" onmouseover=\"alert(1)",
    "'>&amp;<img src=x onerror=alert(1)>",
    "right-to-left \u202e gnp.exe",
    "bytes \xff\xfe and \x1b[2J",
    "</title></style></script><svg onload=alert(1)>",
    "{{NAME}} {{>STYLE}}",
    "javascript:alert(1)",
    std::string(300, 'W'),
};

inline size_t occurrences(const std::string& text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

// That a page which shows kHostile has none of them as HTML, and fetches nothing.
inline void check_page(const std::string& page) {
  CHECK(occurrences(page, "<script") == 1);  // ours
  CHECK(occurrences(page, "</script") == 1);
  CHECK(occurrences(page, "<style") == 1);
  CHECK(occurrences(page, "</style") == 1);
  CHECK(occurrences(page, "alert(1)") > 10);  // the names are there, as text
  CHECK(occurrences(page, "<img src=x") == 0);
  CHECK(occurrences(page, "<b>here") == 0);
  CHECK(occurrences(page, "<svg onload") == 0);
  CHECK(occurrences(page, "\u202e") == 0);
  CHECK(occurrences(page, "\\u202e") > 0);
  CHECK(occurrences(page, "\xff") == 0);
  CHECK(occurrences(page, "\x1b") == 0);
  CHECK(occurrences(page, "\\xff\\xfe") > 0);
  CHECK(occurrences(page, "http://") + occurrences(page, "https://") == 0);  // nothing is fetched
  // A quote that ended an attribute would let another one begin.
  CHECK(occurrences(page, "\" onmouseover") == 0);
}

}  // namespace mld::test
