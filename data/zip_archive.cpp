#include "data/zip_archive.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "data/safetensors_header.h"

namespace mld {
namespace {

// Signatures and field offsets: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 to 4.3.16, 4.5.3.
constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50,
                   kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                 kLocator64Bytes = 20, kLongestComment = 0xffff;
constexpr uint32_t kNone32 = std::numeric_limits<uint32_t>::max();  // "see the zip64 field"
constexpr uint16_t kZip64 = 1;                                      // extra field

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::map<std::string, std::span<const uint8_t>> entries() const {
    const auto [offset, count] = directory();
    std::map<std::string, std::span<const uint8_t>> found;
    uint64_t at = offset;
    for (uint64_t i = 0; i < count; ++i) {
      const auto fixed = part(at, kCentralBytes);
      check(get<uint32_t>(fixed, 0) == kCentral, "its directory is damaged");
      const uint64_t name_bytes = get<uint16_t>(fixed, 28), extra_bytes = get<uint16_t>(fixed, 30),
                     comment_bytes = get<uint16_t>(fixed, 32);
      const auto name_at = part(at + kCentralBytes, name_bytes);
      const std::string name(name_at.begin(), name_at.end());
      const auto extra = part(at + kCentralBytes + name_bytes, extra_bytes);
      check_plain(fixed, name);
      const bool fresh = found.emplace(name, content(fixed, extra, name)).second;
      require<DataError>(fresh, "{}: its entry {} occurs twice", file_, quoted_name(name));
      at += kCentralBytes + name_bytes + extra_bytes + comment_bytes;
    }
    return found;
  }

 private:
  void check(bool good, const char* why) const {
    require<DataError>(good, "{}: a damaged or truncated zip archive: {}", file_, why);
  }
  std::span<const uint8_t> part(uint64_t at, uint64_t count) const {
    check(at <= bytes_.size() && count <= bytes_.size() - at, "its directory leads outside it");
    return bytes_.subspan(at, count);
  }
  template <class T>
  static T get(std::span<const uint8_t> from, size_t at) {
    T value;
    std::memcpy(&value, from.subspan(at, sizeof(T)).data(), sizeof(T));
    return value;
  }

  struct Directory {
    uint64_t offset, count;
  };
  // Of the central directory, from the record at the end, which a comment may follow.
  Directory directory() const {
    check(bytes_.size() >= kEndBytes, "it is too short");
    const size_t last = bytes_.size() - kEndBytes;
    const size_t first = last - std::min(last, kLongestComment);
    for (size_t at = last + 1; at-- > first;) {
      if (get<uint32_t>(bytes_, at) == kEnd) {
        return directory_at(at);
      }
    }
    check(false, "its directory is missing");
    return {};
  }
  Directory directory_at(size_t end) const {
    if (end >= kLocator64Bytes && get<uint32_t>(bytes_, end - kLocator64Bytes) == kLocator64) {
      const uint64_t at = get<uint64_t>(bytes_, end - kLocator64Bytes + 8);
      const auto record = part(at, kEnd64Bytes);
      check(get<uint32_t>(record, 0) == kEnd64, "its zip64 directory is damaged");
      return {get<uint64_t>(record, 48), get<uint64_t>(record, 32)};
    }
    return {get<uint32_t>(bytes_, end + 16), get<uint16_t>(bytes_, end + 10)};
  }

  void check_plain(std::span<const uint8_t> fixed, const std::string& name) const {
    require<DataError>((get<uint16_t>(fixed, 8) & 1) == 0, "{}: its entry {} is encrypted", file_,
                       quoted_name(name));
    require<DataError>(get<uint16_t>(fixed, 10) == 0,
                       "{}: its entry {} is compressed, which torch.save never does (but "
                       "torch.jit.save: TorchScript is not read)", file_, quoted_name(name));
  }

  std::span<const uint8_t> content(std::span<const uint8_t> fixed, std::span<const uint8_t> extra,
                                   const std::string& name) const {
    // What does not fit into 32 bits is in the zip64 field, in this order.
    uint64_t fields[] = {get<uint32_t>(fixed, 24), get<uint32_t>(fixed, 20),
                         get<uint32_t>(fixed, 42)};  // length, stored length, local header
    for (size_t at = 0; at + 4 <= extra.size();) {
      const uint16_t kind = get<uint16_t>(extra, at), length = get<uint16_t>(extra, at + 2);
      check(length <= extra.size() - at - 4, "an extra field is too long");
      size_t taken = 0;
      for (uint64_t& field : fields) {
        if (kind == kZip64 && field == kNone32) {
          check(taken + 8 <= length, "a zip64 field is too short");
          field = get<uint64_t>(extra, at + 4 + taken);
          taken += 8;
        }
      }
      at += 4 + length;
    }
    require<DataError>(fields[0] == fields[1], "{}: its entry {} has two lengths", file_,
                       quoted_name(name));
    const auto local = part(fields[2], kLocalBytes);
    check(get<uint32_t>(local, 0) == kLocal, "an entry is not where its directory says");
    const uint64_t skip = kLocalBytes + get<uint16_t>(local, 26) + get<uint16_t>(local, 28);
    return part(fields[2] + skip, fields[0]);
  }

  std::span<const uint8_t> bytes_;
  const std::string& file_;
};

}  // namespace

std::map<std::string, std::span<const uint8_t>> zip_entries(std::span<const uint8_t> bytes,
                                                            const std::string& file) {
  return Reader(bytes, file).entries();
}

}  // namespace mld
