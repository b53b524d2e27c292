// The members of a tar archive: ustar, GNU's long names and large sizes, pax's paths and sizes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mld {

struct TarMember {
  std::string name;      // "a/b.jpg", as written: not a path to open
  int64_t offset = 0;    // of its bytes in the archive
  int64_t size = 0;
};

struct TarIndex {
  std::vector<TarMember> files;  // regular files, in order
  int64_t skipped = 0;           // links and devices
};

// Lists an archive without copying it. Blocks of zeros between members, as `cat` of two archives
// leaves them, are skipped. `name` starts messages. Errors: DataError with the byte for a header
// whose checksum is wrong, a size that is no number or that goes beyond the archive's end, a sparse
// file, an unreadable pax record; for a compressed archive, what to do.
TarIndex index_tar(std::span<const uint8_t> bytes, const std::string& name);

}  // namespace mld
