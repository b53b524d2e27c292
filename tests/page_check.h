// What every HTML page of the programs must keep: texts from outside stay texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/data_files.h"

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

// The report's sections on single classes and pictures, which report_scores_test gives those names;
// report_test gives them to all others.
inline constexpr const char* kSectionsOfScores[] = {"classes", "scores", "errors", "label-errors",
                                                    "confusion"};

inline size_t count(const std::string& text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

inline void check_page(const std::string& page) {
  CHECK(count(page, "<script") == 1);  // ours
  CHECK(count(page, "</script") == 1);
  CHECK(count(page, "<style") == 1);
  CHECK(count(page, "</style") == 1);
  CHECK(count(page, "alert(1)") > 10);  // the names are there, as text
  CHECK(count(page, "<img src=x") == 0);
  CHECK(count(page, "<b>here") == 0);
  CHECK(count(page, "<svg onload") == 0);
  CHECK(count(page, "\u202e") == 0);
  CHECK(count(page, "\\u202e") > 0);
  CHECK(count(page, "\xff") == 0);
  CHECK(count(page, "\x1b") == 0);
  CHECK(count(page, "\\xff\\xfe") > 0);
  CHECK(count(page, "http://") + count(page, "https://") == 0);  // nothing is fetched
  // A quote that ended an attribute would let another one begin.
  CHECK(count(page, "\" onmouseover") == 0);
}

// The pictures in a page, in order.
inline std::vector<Image> pictures_of(const std::string& page) {
  constexpr std::string_view kBefore = "\"data:image/jpeg;base64,";
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<Image> pictures;
  for (size_t at = page.find(kBefore); at != std::string::npos; at = page.find(kBefore, at)) {
    std::vector<uint8_t> bytes;
    uint32_t bits = 0;
    int count = 0;
    for (at += kBefore.size(); kDigits.find(page[at]) != std::string_view::npos; ++at) {
      bits = bits << 6 | static_cast<uint32_t>(kDigits.find(page[at]));
      count += 6;
      if (count >= 8) {
        count -= 8;
        bytes.push_back(static_cast<uint8_t>(bits >> count & 255));
      }
    }
    pictures.push_back(decode_image(bytes, "picture of a page"));
  }
  return pictures;
}

}  // namespace mld::test
