// Element types: float32 and bfloat16 for values, integers for labels, pixels and counters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/host_device.h"

namespace mld {

enum class DType : uint8_t { f32, bf16, i32, u8, i64 };

// The upper half of a float32: 8 exponent bits, 7 mantissa bits.
struct bf16 {
  uint16_t bits = 0;

  bf16() = default;
  // Rounds to nearest, ties to even; NaN stays NaN.
  MLD_HOST_DEVICE explicit bf16(float value) {
    const auto u = __builtin_bit_cast(uint32_t, value);
    const uint32_t rounded = u + 0x7FFFu + ((u >> 16) & 1u);
    bits = static_cast<uint16_t>((value != value ? u | 0x400000u : rounded) >> 16);
  }
  MLD_HOST_DEVICE explicit operator float() const {
    return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
  }
};

constexpr size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return 4;
    case DType::bf16: return 2;
    case DType::i32: return 4;
    case DType::u8: return 1;
    case DType::i64: return 8;
  }
  return 0;
}

constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "float32";
    case DType::bf16: return "bfloat16";
    case DType::i32: return "int32";
    case DType::u8: return "uint8";
    case DType::i64: return "int64";
  }
  return "?";
}

constexpr bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::bf16; }

template <class T> struct DTypeOf;
template <> struct DTypeOf<float> { static constexpr DType value = DType::f32; };
template <> struct DTypeOf<bf16> { static constexpr DType value = DType::bf16; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::i32; };
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::u8; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::i64; };
template <class T> inline constexpr DType dtype_of = DTypeOf<T>::value;

// Calls body.operator()<float>() or body.operator()<bf16>():
//   dispatch(x.dtype(), [&]<class T>() { kernel(x.data<T>(), y.data<T>()); });
template <class Body>
void dispatch(DType dtype, Body&& body) {
  if (dtype == DType::bf16) {
    body.template operator()<bf16>();
  } else {
    body.template operator()<float>();
  }
}

}  // namespace mld
