// For tests that compare with the reference tensors in tests/fixtures (see docs in the manifest of
// the full set): reading them into our layouts, and the error measure.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/kernels.h"
#include "data/safetensors.h"
#include "nn/module.h"
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

namespace mld::reference {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(mld::test::source_dir()) / "tests" / "fixtures" / name;
}

// max |a - b| / max(max |b|, 1e-6)
inline double error(const std::vector<float>& a, const std::vector<double>& b) {
  REQUIRE_EQ(a.size(), b.size());
  double worst = 0, largest = 1e-6;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(double{a[i]} - b[i]);
    worst = std::isnan(difference) ? difference : std::max(worst, difference);
    largest = std::max(largest, std::abs(b[i]));
  }
  return worst / largest;
}
inline double error(const Tensor& a, const SafeTensor& b) {
  return error(a.to_vector(), b.to_doubles());
}

// [N, C, H, W] <-> [N, H, W, C]
inline Tensor to_nhwc(const Tensor& x) {
  const Shape& s = x.shape();
  Tensor y({s[0], s[2] * s[3], s[1]});
  KERNEL(Device{}, transpose)(x.reshape({s[0], s[1], s[2] * s[3]}), y);
  return y.reshape({s[0], s[2], s[3], s[1]});
}
inline Tensor to_nchw(const Tensor& x) {
  const Shape& s = x.shape();
  Tensor y({s[0], s[3], s[1] * s[2]});
  KERNEL(Device{}, transpose)(x.reshape({s[0], s[1] * s[2], s[3]}), y);
  return y.reshape({s[0], s[3], s[1], s[2]});
}

// The entries "param/<name>" and "buffer/<name>" as a model's state.
inline StateDict state(const SafeTensorsFile& file) {
  StateDict found;
  for (const std::string& name : file.names()) {
    for (const std::string prefix : {"param/", "buffer/"}) {
      if (name.starts_with(prefix)) {
        found.emplace_back(name.substr(prefix.size()), file.at(name).to_tensor());
      }
    }
  }
  return found;
}

// A parameter's gradient in disk layout.
inline Tensor disk_gradient(const Parameter& p) {
  REQUIRE(p.grad.defined());
  return p.layout == Parameter::Layout::conv ? to_nchw(p.grad) : p.grad;
}

// Every gradient "<prefix><name>" in the file against the model's.
inline void check_gradients(Module& model, const SafeTensorsFile& file, const std::string& prefix,
                            double limit) {
  size_t compared = 0;
  for (const auto& [name, p] : parameters(model)) {
    if (p->trainable) {
      CAPTURE(name);
      CHECK_LE(error(disk_gradient(*p), file.at(prefix + name)), limit);
      ++compared;
    }
  }
  CHECK_GT(compared, 0);
}

}  // namespace mld::reference
