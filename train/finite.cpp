#include "train/finite.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr uint32_t kNotFinite = 0x7f800000;  // bits of infinity; those of NaNs are larger

// Whether any number is infinite or NaN or, with `variance`, below zero (-0 is not). Compares bit
// patterns without branches, so that it is vectorised.
bool has_bad(const float* x, int64_t n, bool variance) {
  const uint32_t signs = variance ? 0 : 0x80000000;  // bits to ignore
  uint32_t largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(x[i]) & ~signs;
    largest = std::max(largest, bits == 0x80000000 ? 0 : bits);  // a sign bit exceeds the rest
  }
  return largest >= kNotFinite;
}

bool is_variance(std::string_view name) { return name.ends_with("running_var"); }

[[noreturn]] void tell(const std::string& name, const Tensor& tensor) {
  const float* x = tensor.data<float>();
  const bool variance = is_variance(name);
  const auto bad = [&](float v) { return !std::isfinite(v) || (variance && v < 0); };
  const int64_t at = std::find_if(x, x + tensor.numel(), bad) - x;
  const std::string value = std::isnan(x[at]) ? "NaN" : fmt::format("{}", x[at]);
  fail<DataError>("tensor {} holds {} (element {} of {}); {}; use another copy, or the weights of "
                  "an earlier save",
                  printable(name), value, at, tensor.numel(),
                  std::isfinite(x[at]) ? "a variance is never negative"
                                       : "weights must be finite numbers");
}

}  // namespace

void check_weights(const StateDict& tensors) {
  std::atomic<size_t> next = 0;  // tensors differ in size: each thread takes the next one
  std::vector<char> bad(tensors.size());
  parallel_for(compute_threads(), 1, [&](int64_t, int64_t) {
    for (size_t i = next++; i < tensors.size(); i = next++) {
      const auto& [name, tensor] = tensors[i];
      bad[i] = tensor.dtype() == DType::f32 &&
               has_bad(tensor.data<float>(), tensor.numel(), is_variance(name));
    }
  });
  const auto first = std::find(bad.begin(), bad.end(), true);
  if (first != bad.end()) {
    const auto& [name, tensor] = tensors[static_cast<size_t>(first - bad.begin())];
    tell(name, tensor);
  }
}

void check_weights(Module& model) {
  StateDict tensors;
  for (const auto& [name, state] : state_tensors(model)) {
    tensors.emplace_back(name, state->value);
  }
  check_weights(tensors);
}

void check_outputs(std::span<const float> logits, int64_t classes,
                   const std::function<std::string(int64_t row)>& name) {
  if (!has_bad(logits.data(), static_cast<int64_t>(logits.size()), false)) {
    return;
  }
  const auto bad = std::find_if(logits.begin(), logits.end(), [](float v) {
    return !std::isfinite(v);
  });
  const int64_t at = bad - logits.begin();
  fail<NumericError>("{}: the model's output for class {} is {}: its weights lead to values too "
                     "large for float32. Train with a lower optim.lr, or use an earlier save",
                     printable(name(at / classes)), at % classes,
                     std::isnan(*bad) ? "NaN" : "infinite");
}

}  // namespace mld
