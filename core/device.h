// Where a tensor lives.
#pragma once

#include <string>

namespace mld {

enum class Backend { cpu, cuda, meta };  // meta: shapes without values, see core/meta/meter.h

struct Device {
  Backend backend = Backend::cpu;
  int index = 0;

  bool operator==(const Device&) const = default;
  bool is_cpu() const { return backend == Backend::cpu; }
  bool is_meta() const { return backend == Backend::meta; }
  std::string str() const {
    return is_cpu() ? "cpu" : is_meta() ? "meta" : "cuda:" + std::to_string(index);
  }
};

inline constexpr Device kMeta{Backend::meta, 0};

}  // namespace mld
