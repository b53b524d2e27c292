// The records of a TensorBoard event file, whatever they hold. A record is, little-endian,
//   uint64 length   uint32 masked CRC-32C of these 8 bytes   the bytes   uint32 masked CRC of them
// Source: TensorFlow, tensorflow/core/lib/io/record_writer.h and tensorflow/core/lib/hash/crc32c.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mld {

// ((crc >> 15) | (crc << 17)) + 0xa282ead8: a file may hold records as content of records, and a
// CRC of bytes that contain their own CRC is a poor one.
uint32_t masked_crc32c(std::string_view bytes);

std::string record_of(std::string_view bytes);

// The content of the record at `at`, which then stands behind it. nullopt, and `at` unchanged, at
// the file's end and where what follows is incomplete or damaged.
std::optional<std::string_view> next_record(std::string_view file, size_t& at);

}  // namespace mld
