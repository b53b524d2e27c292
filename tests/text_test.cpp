// Strings from outside: UTF-8, escapes, nearest names, safe paths.
#include "data/text.h"
#include "tests/data_files.h"

namespace mld::test {

TEST_CASE("text: UTF-8 is what the Unicode standard says") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("a\x7F"));
  CHECK(is_utf8("\xC2\x80 \xDF\xBF"));
  CHECK(is_utf8("\xE0\xA0\x80 \xEF\xBF\xBF"));
  CHECK(is_utf8("\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF"));
  CHECK(!is_utf8("\x80"));              // a continuation byte alone
  CHECK(!is_utf8("\xC1\xBF"));          // overlong
  CHECK(!is_utf8("\xE0\x9F\xBF"));      // overlong
  CHECK(!is_utf8("\xF0\x8F\xBF\xBF"));  // overlong
  CHECK(!is_utf8("\xED\xA0\x80"));      // a surrogate
  CHECK(!is_utf8("\xF4\x90\x80\x80"));  // beyond U+10FFFF
  CHECK(!is_utf8("\xE2\x82"));          // cut short
  CHECK(!is_utf8("\xFF"));
}

TEST_CASE("text: escapes for a terminal, CSV, JSON and HTML") {
  CHECK(printable("Zoë \xE7\x8C\xAB") == "Zoë \xE7\x8C\xAB");
  CHECK(printable("a\n\t\r\x1b[2J\x7f") == "a\\n\\t\\r\\x1b[2J\\x7f");
  CHECK(printable("caf\xe9") == "caf\\xe9");
  CHECK(printable("gpj.\xE2\x80\xAE" "exe") == "gpj.\\u202eexe");  // right-to-left override
  CHECK(printable("a\xD8\x9C" "b\xC2\xAD" "c\xE2\x81\xA0") == "a\\u061cb\\u00adc\\u2060");
  CHECK(printable("\xE2\x81\xA4") == "\\u2064");  // an invisible plus
  CHECK(printable("\xC2\x9B") == "\\u009b");                        // an 8-bit escape
  CHECK(printable(printable("\x01\xff")) == printable("\x01\xff"));
  CHECK(csv_field("plain name") == "plain name");
  CHECK(csv_field("a,b") == "\"a,b\"");
  CHECK(csv_field("say \"x\"\n") == "\"say \"\"x\"\"\n\"");
  CHECK(shell_word("runs/a-1_b.c") == "runs/a-1_b.c");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("my runs/a") == "'my runs/a'");
  CHECK(shell_word("it's $x") == "'it'\\''s $x'");
  CHECK(json_string("a\"b\\c\n\x01") == "\"a\\\"b\\\\c\\n\\u0001\"");
  CHECK(json_string("\xff") == "\"\\\\xff\"");
  CHECK(json_string("\xE2\x80\xA8") == "\"\\u2028\"");
  CHECK(html_text("<a href='x'>\"&\x01") == "&lt;a href=&#39;x&#39;&gt;&quot;&amp;\\x01");
}

TEST_CASE("text: nearest names") {
  const std::vector<std::string> names = {"person", "bicycle", "car"};
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("voc", "vco") == 1);
  CHECK(nearest_name("persno", names) == "person");
  CHECK(nearest_name("cat", names) == "car");
  CHECK(nearest_name("zebra", names).empty());
  CHECK(did_you_mean("bycicle", names) == ", did you mean 'bicycle'?");
  CHECK(did_you_mean("zebra", names).empty());
  CHECK(nearest_name(std::string(100000, 'x'), names).empty());
}

TEST_CASE("text: counts and lists") {
  CHECK(counted(1, "picture") == "1 picture");
  CHECK(counted(0, "picture") == "0 pictures");
  CHECK(counted(2, "class") == "2 classes");
  const std::vector<std::string> names = {"a", "b\n", "c"};
  CHECK(name_list(names) == "a, b\\n, c");
  CHECK(name_list(names, 2) == "a, b\\n and 1 more");
  CHECK(trimmed(" \t a b\r\n") == "a b");
  CHECK(trimmed(" \n").empty());
}

TEST_CASE("text: whole numbers, and the first code points") {
  CHECK_EQ(number_of<int64_t>("-12"), std::optional<int64_t>(-12));
  CHECK_EQ(number_of<double>("1e-3"), std::optional<double>(1e-3));
  for (const char* text : {"", "12 ", " 12", "+12", "1.5", "9223372036854775808"}) {
    CHECK_FALSE(number_of<int64_t>(text));
  }
  CHECK_EQ(bytes_of_first(0, "ä"), 0);
  CHECK_EQ(bytes_of_first(1, "äb"), 2);
  CHECK_EQ(bytes_of_first(2, "äb▁"), 3);
  CHECK_EQ(bytes_of_first(9, "äb▁"), 6);
}

TEST_CASE("text: paths stay below the folder") {
  CHECK(safe_relative_path("a/b.jpg", "list:1") == fs::path("a/b.jpg"));
  CHECK(safe_relative_path("a/..b..jpg", "list:1") == fs::path("a/..b..jpg"));
  for (const char* bad : {"", "/a", "..", "../a", "a/..", "a/../../b", "./../a"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(safe_relative_path(bad, "list:1"), DataError);
  }
  TemporaryFolder folder;
  folder.write("data/x", "x");
  folder.write("data-other/y", "y");  // its name starts like the folder's
  fs::create_symlink("../data-other/y", folder.path() / "data/link");
  fs::create_directory_symlink(folder.path() / "data", folder.path() / "alias");
  const fs::path data = folder.path() / "data", alias = folder.path() / "alias";
  CHECK(resolve_below(data, data, "x") == fs::canonical(data / "x"));
  CHECK(resolve_below(alias, alias, "x") == fs::canonical(data / "x"));  // the root is a link
  CHECK_THROWS_AS(resolve_below(data, data, "link"), DataError);
  CHECK_THROWS_AS(resolve_below(folder.path() / "missing", data, "link"), DataError);
  CHECK_THROWS_AS(resolve_below(folder.path() / "more", data, "link"), DataError);  // not in ../
  CHECK(resolve_below(data, data, "none") == data / "none");
}

TEST_CASE("text of several lines: they stay lines, control sequences do not stay") {
  CHECK(printable_lines("a\n\x1b[2Jb") == "a\n\\x1b[2Jb");
  CHECK(printable_lines("").empty());
}

}  // namespace mld::test
