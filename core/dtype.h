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

template <class T> struct NoElementType;  // incomplete: an error for all but the five below
template <class T> inline constexpr DType dtype_of = NoElementType<T>::value;
template <> inline constexpr DType dtype_of<float> = DType::f32;
template <> inline constexpr DType dtype_of<bf16> = DType::bf16;
template <> inline constexpr DType dtype_of<int32_t> = DType::i32;
template <> inline constexpr DType dtype_of<uint8_t> = DType::u8;
template <> inline constexpr DType dtype_of<int64_t> = DType::i64;

constexpr size_t size_of(DType dtype) {
  constexpr size_t kBytes[] = {sizeof(float), sizeof(bf16), sizeof(int32_t), 1, sizeof(int64_t)};
  return kBytes[static_cast<size_t>(dtype)];
}

constexpr std::string_view name_of(DType dtype) {
  constexpr std::string_view kNames[] = {"float32", "bfloat16", "int32", "uint8", "int64"};
  return kNames[static_cast<size_t>(dtype)];
}

constexpr bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::bf16; }

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
