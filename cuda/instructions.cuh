// The instructions that have no CUDA C++ spelling, each with its meaning in C++ for the emulator.
// All PTX of the project is here. Fragment layouts are those of the PTX ISA for mma.m16n8k16.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "cuda/kernel.h"

namespace mld::cuda {

// Two floats to two bfloat16 in one word, `low` in the lower half; round to nearest even.
__device__ inline uint32_t pack_bf16(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
#else
  return uint32_t{bf16(low).bits} | uint32_t{bf16(high).bits} << 16;
#endif
}

#if defined(__CUDACC__)

// d [16, 8] += a [16, 16] b [16, 8] on the tensor cores. With g = lane / 4 and t = lane % 4 a lane
// holds a: rows g, g + 8 (words 0, 1), columns 2t, 2t + 1, and 8 columns on (words 2, 3);
// b: rows 2t, 2t + 1 (word 0) and 8 rows on (word 1) of column g; d: row g, columns 2t, 2t + 1
// (0, 1), and row g + 8 (2, 3).
__device__ inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();  // compute capability 8.0 at least: attention_mma_fits() sees to it
#endif
}

// Four 8 x 8 matrices of bfloat16 from shared memory. Lane i gives the address of row i % 8 of
// matrix i / 8, 16-byte aligned; word j gets row lane / 4, columns 2 (lane % 4) and the next, of
// matrix j.
__device__ inline void ldmatrix_x4(uint32_t (&r)[4], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row))));
}
// Two matrices; lanes 0 to 15 give the addresses.
__device__ inline void ldmatrix_x2(uint32_t (&r)[2], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row))));
}
// Two matrices, each transposed: word j gets rows 2 (lane % 4) and the next of column lane / 4.
__device__ inline void ldmatrix_x2_trans(uint32_t (&r)[2], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row))));
}

#else

namespace emulated {

// Half `high` of a word as a float.
inline float half_of(uint32_t word, unsigned high) {
  return std::bit_cast<float>(high ? word & 0xFFFF0000u : word << 16);
}
inline uint32_t two(const bf16& low, const bf16& high) {
  return uint32_t{low.bits} | uint32_t{high.bits} << 16;
}
struct Words4 {
  uint32_t at[4];
};
struct Words2 {
  uint32_t at[2];
};
// The address that a lane gave.
inline const bf16* row_of(const emu::Slot* slots, unsigned lane, const emu::Site& site) {
  const auto* row = emu::lane_value<const bf16*>(slots, ~0u, lane, site);
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) {
    emu::fault("ldmatrix: a row is not 16-byte aligned", site);
  }
  return row;
}

}  // namespace emulated

inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], EMU_FROM) {
  using namespace emulated;
  Words4 mine_a;
  Words2 mine_b;
  std::memcpy(mine_a.at, a, sizeof a);
  std::memcpy(mine_b.at, b, sizeof b);
  const auto* all_a = emu::gather(~0u, mine_a, "mma", EMU_SITE);
  const auto* all_b = emu::gather(~0u, mine_b, "mma", EMU_SITE);
  const unsigned lane = emu::now->lane;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    float sum = 0;
    for (unsigned k = 0; k < 16; ++k) {
      const auto wa = emu::lane_value<Words4>(all_a, ~0u, row % 8 * 4 + k % 8 / 2, EMU_SITE);
      const auto wb = emu::lane_value<Words2>(all_b, ~0u, column * 4 + k % 8 / 2, EMU_SITE);
      sum += half_of(wa.at[row / 8 + k / 8 * 2], k % 2) * half_of(wb.at[k / 8], k % 2);
    }
    d[i] += sum;
  }
}

inline void ldmatrix_x4(uint32_t (&r)[4], const bf16* row, EMU_FROM) {
  const auto* rows = emu::gather(~0u, row, "ldmatrix", EMU_SITE);
  const unsigned lane = emu::now->lane;
  for (unsigned j = 0; j < 4; ++j) {
    const bf16* from = emulated::row_of(rows, j * 8 + lane / 4, EMU_SITE) + lane % 4 * 2;
    r[j] = emulated::two(from[0], from[1]);
  }
}
inline void ldmatrix_x2(uint32_t (&r)[2], const bf16* row, EMU_FROM) {
  const auto* rows = emu::gather(~0u, row, "ldmatrix", EMU_SITE);
  const unsigned lane = emu::now->lane;
  for (unsigned j = 0; j < 2; ++j) {
    const bf16* from = emulated::row_of(rows, j * 8 + lane / 4, EMU_SITE) + lane % 4 * 2;
    r[j] = emulated::two(from[0], from[1]);
  }
}
inline void ldmatrix_x2_trans(uint32_t (&r)[2], const bf16* row, EMU_FROM) {
  const auto* rows = emu::gather(~0u, row, "ldmatrix", EMU_SITE);
  const unsigned lane = emu::now->lane, column = lane / 4;
  for (unsigned j = 0; j < 2; ++j) {
    const unsigned first = j * 8 + lane % 4 * 2;
    r[j] = emulated::two(emulated::row_of(rows, first, EMU_SITE)[column],
                         emulated::row_of(rows, first + 1, EMU_SITE)[column]);
  }
}

#endif

}  // namespace mld::cuda
