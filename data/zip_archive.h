// The directory of a zip archive in memory whose entries are stored, not compressed: PyTorch's.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace mld {

// Name -> content, a view into `bytes`. `file` starts messages. zip64 is read too.
// Errors: DataError for a missing or malformed directory, entries outside the file, names twice,
// compressed or encrypted entries. Checksums are ignored, as PyTorch does: it can leave them out.
std::map<std::string, std::span<const uint8_t>> zip_entries(std::span<const uint8_t> bytes,
                                                            const std::string& file);

}  // namespace mld
