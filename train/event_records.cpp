#include "train/event_records.h"

#include "data/crc32c.h"

namespace mld {
namespace {

template <class T>
void append_little_endian(T value, std::string& to) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    to += static_cast<char>(value >> (8 * i) & 0xFF);
  }
}

template <class T>
T little_endian(std::string_view from) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<T>(static_cast<uint8_t>(from[i])) << (8 * i);
  }
  return value;
}

constexpr size_t kLength = sizeof(uint64_t), kCrc = sizeof(uint32_t);

}  // namespace

uint32_t masked_crc32c(std::string_view bytes) {
  const uint32_t crc = crc32c({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

std::string record_of(std::string_view bytes) {
  std::string record;
  record.reserve(kLength + kCrc + bytes.size() + kCrc);
  append_little_endian(uint64_t{bytes.size()}, record);
  append_little_endian(masked_crc32c(record), record);
  record += bytes;
  append_little_endian(masked_crc32c(bytes), record);
  return record;
}

std::optional<std::string_view> next_record(std::string_view file, size_t& at) {
  const std::string_view rest = file.substr(at);
  if (rest.size() < kLength + kCrc + kCrc) {
    return std::nullopt;
  }
  const std::string_view length_bytes = rest.substr(0, kLength);
  const auto length = little_endian<uint64_t>(length_bytes);
  if (little_endian<uint32_t>(rest.substr(kLength)) != masked_crc32c(length_bytes) ||
      length > rest.size() - kLength - kCrc - kCrc) {
    return std::nullopt;
  }
  const std::string_view bytes = rest.substr(kLength + kCrc, length);
  if (little_endian<uint32_t>(rest.substr(kLength + kCrc + length)) != masked_crc32c(bytes)) {
    return std::nullopt;
  }
  at += kLength + kCrc + length + kCrc;
  return bytes;
}

}  // namespace mld
