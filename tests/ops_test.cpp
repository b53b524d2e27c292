// Every op must have a row; and tests of the rows' own machinery (op_case.h).
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include <doctest/doctest.h>

#include "tests/op_case.h"
#include "tests/paths.h"

namespace mld::test {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

std::set<std::string> matches(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator i(text.begin(), text.end(), pattern), end; i != end; ++i) {
    found.insert((*i)[1]);
  }
  return found;
}

}  // namespace

TEST_CASE("every op that ops.h declares has a row") {
  const fs::path root = mld::test::source_dir();
  const std::set<std::string> ops = matches(read(root / "autograd/ops.h"),
                                            std::regex("\nVar ([a-z0-9_]+)\\("));
  CHECK(ops.size() >= 40);
  std::string rows;
  for (const auto& entry : fs::directory_iterator(root / "tests")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("ops_") && name.ends_with("_test.cpp") && name != "ops_test.cpp") {
      rows += read(entry.path());
    }
  }
  for (const std::string& op : ops) {
    CHECK_MESSAGE(std::regex_search(rows, std::regex("\"" + op + "(\"|, )")), op, " has no row");
  }
}

TEST_CASE("largest_error: largest difference over largest value, infinite for NaN") {
  CHECK(largest_error({1, 2}, {1, 4}) == doctest::Approx(0.5));
  CHECK(largest_error({1e-8}, {0}) < 0.011);  // below 1e-6 a quantity counts as zero
  CHECK(std::isinf(largest_error({std::nan(""), 0}, {1, 1})));
  CHECK(std::isinf(largest_error({1}, {1, 1})));
}

TEST_CASE("a row whose op computes something else fails, and says where") {
  const OpCase wrong{"scale, wrong factor", {{2, 3}}, [](auto& v) { return scale(v[0], 2.01f); },
                     [](auto& a) { return spec::scale(a[0], 2); }};
  const Observed observed = observe(wrong, Device{}, DType::f32);
  const std::vector<std::string> found = failures(observed, expect(wrong, observed));
  REQUIRE(found.size() == 2);
  const std::string where = "scale, wrong factor on cpu float32: ";
  CHECK(found[0].starts_with(where + "y has error 5.00e-03, limit 1.00e-05"));
  CHECK(found[1].starts_with(where + "the gradient of input 0 has error 5.00e-03"));
}

TEST_CASE("a row whose op has a wrong backward fails") {
  const auto run = [](const Backward& backward) {
    const OpCase row{"scale, by two", {{2, 3}},
                     [&](auto& v) {
                       return record("scale", scale(v[0], 2).value, {v[0]}, backward);
                     },
                     [](auto& a) { return spec::scale(a[0], 2); }};
    const Observed observed = observe(row, Device{}, DType::f32);
    return failures(observed, expect(row, observed));
  };
  const auto times = [](const Tensor& dy, float factor) { return scale(Var(dy), factor).value; };
  CHECK(run([&](const Tensor& dy) -> Grads { return {times(dy, 2)}; }).empty());
  CHECK(run([&](const Tensor& dy) -> Grads { return {times(dy, 2.001f)}; }).size() == 1);
  CHECK(run([&](const Tensor&) -> Grads { return {Tensor{}}; }).size() == 1);  // no gradient
  // Scales dy in place, although others may still read it.
  const auto in_place = run([](const Tensor& dy) -> Grads {
    for (int64_t i = 0; i < dy.numel(); ++i) {
      dy.data<float>()[i] *= 2;
    }
    return {dy};
  });
  REQUIRE(!in_place.empty());
  CHECK(in_place.back().ends_with("dy was written to"));
}

TEST_CASE("large inputs are checked along directions of length one") {
  CHECK(directions(kFull).size() == kFull);
  const auto some = directions(kFull + 1);
  CHECK(some.size() == kDirections);
  for (const std::vector<double>& direction : some) {
    double squares = 0;
    for (const double x : direction) {
      squares += x * x;
    }
    CHECK(squares == doctest::Approx(1));
  }
}

}  // namespace mld::test
