// fill: every element the same value, any dtype.
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

template <class T>
void fill_elements(T value, T* y, int64_t n) {
  parallel_for(n, 4 * kGrain,
               [=](int64_t begin, int64_t end) { std::fill(y + begin, y + end, value); });
}

}  // namespace

void fill(float value, Tensor& y) {
  const int64_t n = y.numel();
  switch (y.dtype()) {
    case DType::f32: return fill_elements(value, y.data<float>(), n);
    case DType::bf16: return fill_elements(bf16(value), y.data<bf16>(), n);
    case DType::i32: return fill_elements(static_cast<int32_t>(value), y.data<int32_t>(), n);
    case DType::u8: return fill_elements(static_cast<uint8_t>(value), y.data<uint8_t>(), n);
    case DType::i64: return fill_elements(static_cast<int64_t>(value), y.data<int64_t>(), n);
  }
}

}  // namespace mld::cpu
