// The host's memory: its pool, and how much the machine can still give to this process.
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>

#include "core/memory.h"

namespace mld {

namespace {

namespace fs = std::filesystem;

// The number in a file, after `key` where one is given: "MemAvailable:   22678924 kB".
std::optional<size_t> number_in(const fs::path& file, const std::string& key = "") {
  std::ifstream in(file);
  std::string word;
  while (!key.empty() && word != key && in >> word) {
  }
  size_t number = 0;
  return in >> number ? std::optional(number) : std::nullopt;  // "max": no number, no limit
}

// One version of control groups: where they are mounted and what their files are called.
struct Groups {
  const char *mount, *limit, *usage;
  std::array<const char*, 2> reclaimable;  // pages of files, read once and more than once
};
constexpr Groups kV1{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                     {"total_inactive_file", "total_active_file"}};
constexpr Groups kV2{"sys/fs/cgroup", "memory.max", "memory.current",
                     {"inactive_file", "active_file"}};

size_t free_in(const Groups& names, const fs::path& group) {
  const auto limit = number_in(group / names.limit), usage = number_in(group / names.usage);
  if (!limit || !usage) {
    return std::numeric_limits<size_t>::max();
  }
  size_t cache = 0;
  for (const char* key : names.reclaimable) {
    cache += number_in(group / "memory.stat", key).value_or(0);
  }
  const size_t used = *usage - std::min(*usage, cache);
  return *limit - std::min(*limit, used);
}

}  // namespace

size_t host_free_bytes(const fs::path& root) {
  size_t free = std::numeric_limits<size_t>::max();
  if (const auto available = number_in(root / "proc/meminfo", "MemAvailable:")) {
    free = *available * 1024;
  }
  std::ifstream groups(root / "proc/self/cgroup");  // "4:memory:/a/b", or "0::/a/b" of version 2
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && ("," + controllers + ",").find(",memory,") == std::string::npos) {
      continue;
    }
    const Groups& names = controllers.empty() ? kV2 : kV1;
    // A group's limit holds for the groups below it. In a container the path may be the host's,
    // and only the mount itself is visible.
    fs::path path = fs::path(line.substr(second + 1)).relative_path();
    for (;; path = path.parent_path()) {
      free = std::min(free, free_in(names, root / names.mount / path));
      if (path.empty()) {
        break;
      }
    }
  }
  return free;
}

namespace cpu {

// Large blocks ask for huge pages: a 100,000-class head is streamed at memory speed with them.
static void* allocate_host(size_t bytes) {
  constexpr size_t kHuge = size_t{2} << 20;
  const bool huge = bytes >= 4 * kHuge;
  const size_t alignment = huge ? kHuge : 64;
  void* block = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (huge && block != nullptr) {
    madvise(block, bytes, MADV_HUGEPAGE);  // a hint: refusal changes speed, not results
  }
  return block;
}

MemoryPool& memory() {
  // Never destroyed: tensors in static storage may outlive any order of destruction.
  static auto* host = new MemoryPool(
      allocate_host, [](void* block, size_t) { std::free(block); }, "the host",
      [] { return host_free_bytes(); });
  return *host;
}

}  // namespace cpu

}  // namespace mld
