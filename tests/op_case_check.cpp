// Running rows, and showing that a wrong result would be noticed (op_case.h).
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "core/kernels.h"
#include "tests/op_case.h"

namespace mld::test {

std::vector<Device> devices() {
  if (const char* only = std::getenv("MLD_TEST_DEVICE"); only != nullptr) {
    if (static bool said = false; !std::exchange(said, true)) {
      MESSAGE("SKIPPED on all devices but ", std::string(only), ", as MLD_TEST_DEVICE says");
    }
    return {parse_device(only)};
  }
  std::vector<Device> found{Device{}};
  if (const Device best = parse_device("auto"); !best.is_cpu()) {
    found.push_back(best);
  } else if (static bool said = false; !std::exchange(said, true)) {
    MESSAGE("SKIPPED on cuda: no CUDA device");
  }
  return found;
}

namespace {

// expect(), computed once per program: it takes nearly all of the time.
const Expected& expected_once(const OpCase& row, const Observed& observed) {
  static std::map<std::string, Expected> known;
  const auto [found, inserted] = known.try_emplace(observed.where);
  if (inserted) {
    found->second = expect(row, observed);
  }
  return found->second;
}

template <class Visit>
void for_each_run(const std::vector<OpCase>& rows, Visit visit) {
  std::set<std::string> names;
  for (const OpCase& row : rows) {
    REQUIRE_MESSAGE(names.insert(row.name).second, "two rows are called ", row.name);
  }
  // A sample of the rows, for where the whole list takes too long (tests/emu).
  const char* every = std::getenv("MLD_TEST_EVERY");
  const size_t step = every != nullptr ? std::max<size_t>(1, std::strtoul(every, nullptr, 10)) : 1;
  if (step > 1) {
    MESSAGE("SKIPPED: of ", rows.size(), " rows only every ", step, ", as MLD_TEST_EVERY says");
  }
  for (const Device device : devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (size_t i = 0; i < rows.size(); i += step) {
        const OpCase& row = rows[i];
        if (dtype == DType::bf16 && !row.follows_dtype()) {
          continue;  // would repeat the float32 run
        }
        const Observed observed = observe(row, device, dtype);
        visit(observed, expected_once(row, observed));
      }
    }
  }
}

// One way to spoil values; the result equals them where there is nothing to spoil.
struct Tamper {
  const char* name;
  bool coarse;  // also far above bfloat16's limit
  std::function<void(std::vector<double>&)> apply;
};

const std::vector<Tamper>& tampers() {
  static const std::vector<Tamper> all = {
      {"one percent too large", false, [](auto& v) { for (double& x : v) x *= 1.01; }},
      {"the largest element five percent too large", true,
       [](auto& v) {
         *std::max_element(v.begin(), v.end(), [](double a, double b) {
           return std::abs(a) < std::abs(b);
         }) *= 1.05;
       }},
      {"zero", true, [](auto& v) { for (double& x : v) x = 0; }},
      {"the wrong sign", true, [](auto& v) { for (double& x : v) x = -x; }},
      {"not a number", true, [](auto& v) { v.back() = std::nan(""); }},
      {"in reverse order", false, [](auto& v) { std::reverse(v.begin(), v.end()); }},
  };
  return all;
}

// Spoils `values` (inside `observed`) in every way and checks that failures() notices.
void tamper_with(std::vector<double>& values, const std::string& what, const Observed& observed,
                 const Expected& expected) {
  const std::vector<double> right = values;
  for (const Tamper& tamper : tampers()) {
    if (observed.limit > kLimitF32 && !tamper.coarse) {
      continue;
    }
    tamper.apply(values);
    const bool same = largest_error(values, right) < 10 * observed.limit;  // e.g. equal elements
    const bool essential = std::string(tamper.name) == "zero";
    if (same && essential) {
      FAIL_CHECK(observed.where << ": " << what << " is zero, so the row checks nothing");
    } else if (!same && failures(observed, expected).empty()) {
      FAIL_CHECK(observed.where << ": nobody notices that " << what << " is " << tamper.name);
    }
    values = right;
  }
}

}  // namespace

void check_rows(const std::vector<OpCase>& rows) {
  std::map<double, double> worst;  // by limit
  for_each_run(rows, [&](const Observed& observed, const Expected& expected) {
    for (const std::string& failure : failures(observed, expected, &worst[observed.limit])) {
      FAIL_CHECK(failure);
    }
  });
  for (const auto& [limit, error] : worst) {
    MESSAGE(fmt::format("{} rows: largest error {:.1e}, limit {:.1e}", rows.size(), error, limit));
  }
}

void check_planted_errors(const std::vector<OpCase>& rows) {
  for_each_run(rows, [](Observed observed, const Expected& expected) {
    tamper_with(observed.out.values, "y", observed, expected);
    for (size_t i = 0; i < observed.grads.size(); ++i) {
      if (!expected.slopes[i].empty()) {
        tamper_with(observed.grads[i].values, fmt::format("the gradient of input {}", i), observed,
                    expected);
      }
    }
  });
}

}  // namespace mld::test
