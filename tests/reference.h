// For tests of layers and models: errors' messages, small values, the reference files.
#pragma once

#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include "data/safetensors.h"
#include "nn/module.h"
#include "tests/measure.h"
#include "tests/paths.h"

// The message of the error an expression throws.
#define CHECK_ERROR(Type, message, ...)                                    \
  do {                                                                     \
    std::string thrown = "nothing";                                        \
    try {                                                                  \
      __VA_ARGS__;                                                         \
    } catch (const Type& error) {                                          \
      thrown = error.what();                                               \
    }                                                                      \
    CHECK_EQ(thrown, message);                                             \
  } while (false)

namespace mld::test {

// Equal up to a share of the value. doctest's own epsilon is absolute for values below one.
inline doctest::Approx relative(double value, double share) {
  return doctest::Approx(value).epsilon(share).scale(0);
}

}  // namespace mld::test

namespace mld::reference {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(mld::test::source_dir()) / "tests" / "fixtures" / name;
}

}  // namespace mld::reference
