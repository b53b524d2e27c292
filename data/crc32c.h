// CRC-32C (Castagnoli): the checksum in our checkpoints and in TensorBoard's event files.
#pragma once

#include <cstdint>
#include <span>

namespace mld {

uint32_t crc32c(std::span<const uint8_t> bytes);
// The same without the processor's CRC instruction.
uint32_t crc32c_portable(std::span<const uint8_t> bytes);

}  // namespace mld
