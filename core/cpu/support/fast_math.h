// Elementary functions without branches or calls, so that loops over them become SIMD code.
// Errors are relative, measured against float64 over the whole range.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace mld::cpu {

// e^x within 1.5e-7. 0 below -87.3 (no denormals), infinity above 88.3; NaN stays NaN.
inline float fast_exp(float x) {
  constexpr float kLow = -87.3f, kHigh = 88.3f;
  constexpr float kRound = 0x1.8p23f;  // adding it rounds to an integer kept in the low bits
  const float c = x < kLow ? kLow : (x > kHigh ? kHigh : x);
  const float shifted = c * 1.44269504f + kRound;
  const float n = shifted - kRound;
  // ln 2 in two parts, the first short enough for n times it to be exact.
  const float r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.0f / 5040;  // Taylor: |r| <= ln(2) / 2 leaves 5e-9
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const float power = std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) << 23) + 0x3F800000u);
  const float y = p * power;
  return x < kLow ? 0.0f : (x > kHigh ? std::numeric_limits<float>::infinity() : y);
}

// 1 / (1 + e^-x), accurate in both tails; 1 - sigmoid(x) is fast_sigmoid(-x).
inline float fast_sigmoid(float x) {
  const float e = fast_exp(x < 0 ? x : -x);
  return (x < 0 ? e : 1.0f) / (1.0f + e);
}

// log(1 + e^x) within 3e-7: max(x, 0) + log1p(e^-|x|), log1p(t) = 2 atanh(t / (2 + t)).
inline float fast_softplus(float x) {
  const float t = fast_exp(x < 0 ? x : -x);
  const float s = t / (2.0f + t), z = s * s;  // z <= 1/9
  float p = 1.0f / 15;
  p = p * z + 1.0f / 13;
  p = p * z + 1.0f / 11;
  p = p * z + 1.0f / 9;
  p = p * z + 1.0f / 7;
  p = p * z + 1.0f / 5;
  p = p * z + 1.0f / 3;
  p = p * z + 1.0f;
  return (x < 0 ? 0.0f : x) + 2.0f * s * p;
}

// The standard normal distribution function. Its tail is erfc(z) / 2 = t Q(t) e^-z^2 / 2 with
// z = |x| / sqrt(2), t = 1 / (1 + 0.3 z); Q interpolates e^z^2 erfc(z) / t at nine Chebyshev points
// of 0 <= z <= 9.35 (own fit, 2.4e-8). Within 6e-7 for |x| < 3 and 6e-6 for |x| < 12, where the
// rounding of the exponent x^2 / 2 counts.
inline float normal_cdf(float x) {
  const float z = std::fabs(x) * 0.707106781f, t = 1.0f / (1.0f + 0.3f * z);
  float q = -0.130380131f;
  q = q * t + 0.490008897f;
  q = q * t - 0.522117161f;
  q = q * t + 0.559830745f;
  q = q * t - 0.103697972f;
  q = q * t + 0.219117029f;
  q = q * t + 0.147166014f;
  q = q * t + 0.170896347f;
  q = q * t + 0.169176212f;
  const float tail = 0.5f * t * q * fast_exp(-0.5f * x * x);
  return x < 0 ? tail : 1.0f - tail;
}

}  // namespace mld::cpu
