// A non-cryptographic hash, to tell data apart; not safe against deliberate collisions.
#pragma once

#include <cstdint>
#include <string_view>

namespace mld {

// FNV-1a, 64 bits.
class Hash {
 public:
  void byte(uint8_t value) { state_ = (state_ ^ value) * 0x100000001b3u; }
  void number(uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) {
      byte(static_cast<uint8_t>(value >> shift));
    }
  }
  // With the length, so that "ab", "c" and "a", "bc" differ.
  void text(std::string_view value) {
    number(value.size());
    for (const char c : value) {
      byte(static_cast<uint8_t>(c));
    }
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

}  // namespace mld
