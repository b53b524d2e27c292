// JSON text: structure, numbers, texts of any bytes.
#include <limits>
#include <map>
#include <string>

#include <doctest/doctest.h>

#include "core/error.h"
#include "data/json_writer.h"

namespace mld {

TEST_CASE("json: one line, and indented") {
  const auto write = [](JsonWriter& json) {
    json.object().member("name", "a \"b\"\n").member("n", 3).member("ok", true).key("list").array();
    json.value(0.5).value(-1).object().member("x", "\xff").end().end();
    json.key("none").object().end().key("raw").raw("[1, 2]").end();
    return json.text();
  };
  JsonWriter line, indented(JsonWriter::Style::indented);
  CHECK(write(line) == R"({"name": "a \"b\"\n", "n": 3, "ok": true, "list": [0.5, -1, )"
                       R"({"x": "\\xff"}], "none": {}, "raw": [1, 2]})");
  CHECK(write(indented).starts_with("{\n  \"name\": \"a \\\"b\\\"\\n\",\n  \"n\": 3,\n"));
}

TEST_CASE("json: an object of pairs") {
  const std::map<std::string, int> pairs = {{"b", 2}, {"a", 1}};
  CHECK(JsonWriter().members(pairs).text() == R"({"a": 1, "b": 2})");
}

TEST_CASE("json: numbers read back as they were; what JSON does not have is null") {
  JsonWriter json;
  json.array().value(1.0 / 3).value(1e-300).value(int64_t{1} << 62).value(2.0);
  json.value(std::numeric_limits<double>::quiet_NaN());
  json.value(-std::numeric_limits<double>::infinity());
  json.value(rounded(0.1234567)).value(rounded(std::numeric_limits<double>::quiet_NaN())).end();
  CHECK(json.text() == "[0.3333333333333333, 1e-300, 4611686018427387904, 2.0, null, null, "
                       "0.123457, null]");
}

TEST_CASE("json: begun and ended must agree") {
  JsonWriter json;
  json.object();
  CHECK_THROWS_AS(json.text(), Error);
  json.end();
  CHECK(json.text() == "{}");
  CHECK_THROWS_AS(json.end(), Error);
}

}  // namespace mld
