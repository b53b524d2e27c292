// normalize_images: uint8 pixels to values, y = (x / 255 - mean) / std per colour.
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// x uint8 [N, H, W, 3], y values [N, H, W, 3]
void normalize_images(const Tensor& x, const ImageNormSpec& spec, Tensor& y) {
  const uint8_t* pixels = x.data<uint8_t>();
  dispatch(y.dtype(), [&]<class T>() {
    // A pixel has 256 values, so a table is the cheapest way to apply the exact formula.
    T table[3][256];
    for (size_t c = 0; c < 3; ++c) {
      for (int v = 0; v < 256; ++v) {
        table[c][v] = static_cast<T>((static_cast<float>(v) / 255.0f - spec.mean[c]) / spec.std[c]);
      }
    }
    T* values = y.data<T>();
    parallel_for(x.numel() / 3, kGrain / 3, [&table, pixels, values](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        values[3 * i] = table[0][pixels[3 * i]];
        values[3 * i + 1] = table[1][pixels[3 * i + 1]];
        values[3 * i + 2] = table[2][pixels[3 * i + 2]];
      }
    });
  });
}

}  // namespace mld::cpu
