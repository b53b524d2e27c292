#include "data/pth.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>

#include "core/error.h"
#include "data/file_kind.h"
#include "data/pickle.h"
#include "data/pth_state.h"
#include "data/pth_storage.h"
#include "data/safetensors_header.h"
#include "data/zip_archive.h"

namespace mld {
namespace {

using namespace std::string_view_literals;
using pickle::Kind;
using pickle::Pickle;
using pickle::Value;

using Bytes = std::span<const uint8_t>;

// torch.save's old form begins with this number, pickled (torch/serialization.py).
constexpr auto kLegacyNumber = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv;
constexpr size_t kStart = 32;  // bytes that show which form a file has
constexpr int64_t kLegacyProtocol = 1001;
constexpr auto kZipStart = "PK\x03\x04"sv;

// Storages by their key in the file.
using Storages = std::map<std::string_view, Bytes>;

bool begins(Bytes bytes, std::string_view start) {
  return bytes.size() >= start.size() && std::memcmp(bytes.data(), start.data(), start.size()) == 0;
}

bool is_legacy(Bytes bytes) {
  const Bytes start = bytes.first(std::min(bytes.size(), kStart));
  return begins(start, "\x80") &&
         std::search(start.begin(), start.end(), kLegacyNumber.begin(), kLegacyNumber.end(),
                     [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }) != start.end();
}

// The state's tensors, from a pickle and its storages.
class Content {
 public:
  Content(Bytes file, const std::string& name) : file_(file), name_(name) {}

  void read() {
    if (begins(file_, kZipStart)) {
      read_zip();
    } else if (is_legacy(file_)) {
      read_legacy();
    } else {
      const std::string kind = other_file_kind(file_);
      fail<DataError>("{}: {}", name_, kind.empty() ? "is no file that torch.save wrote" : kind);
    }
    const PthState state = find_state(pickle_, name_);
    entry = state.entry;
    class_names = state.class_names;
    for (const auto& [name, id] : state.tensors) {
      tensors.emplace_back(std::string(name), tensor(name, pickle_[id]));
    }
  }

  std::vector<std::pair<std::string, SafeTensor>> tensors;
  std::string entry;
  std::vector<std::string> class_names;

 private:
  // NAME/data.pkl, NAME/data/0, NAME/data/1, ..., perhaps NAME/byteorder
  void read_zip() {
    constexpr auto kPickle = "/data.pkl"sv;
    zip_ = zip_entries(file_, name_);
    const auto found = std::find_if(zip_.begin(), zip_.end(), [&](const auto& entry) {
      return entry.first.ends_with(kPickle);
    });
    require<DataError>(found != zip_.end(), "{}: a zip archive without data.pkl: torch.save did "
                       "not write it", name_);
    const std::string folder = found->first.substr(0, found->first.size() - kPickle.size());
    const auto order = zip_.find(folder + "/byteorder");
    require<DataError>(order == zip_.end() || begins(order->second, "little"),
                       "{}: its numbers are big-endian; save it again on a usual machine", name_);
    pickle_ = pickle::read(found->second, name_);
    const std::string data = folder + "/data/";
    for (const auto& [name, bytes] : zip_) {
      if (name.starts_with(data)) {
        storages_.emplace(std::string_view(name).substr(data.size()), bytes);
      }
    }
  }

  // Pickles of magic number, protocol, system, the object, its storages' keys; then each storage.
  void read_legacy() {
    size_t at = 0;
    const auto next = [&] {
      Pickle part = pickle::read(file_.subspan(at), name_);
      at += part.bytes;
      return part;
    };
    next();  // the number
    const Pickle protocol = next();
    require<DataError>(protocol.result().kind == Kind::integer &&
                           protocol.result().integer == kLegacyProtocol,
                       "{}: written by an unknown version of torch.save", name_);
    const Pickle system = next();
    require<DataError>(little_endian(system), "{}: its numbers are big-endian; save it again on a "
                       "usual machine", name_);
    pickle_ = next();
    keys_ = next();
    std::map<std::string_view, size_t> sizes;  // of the elements
    for (const Value& value : pickle_.values) {
      if (value.kind == Kind::storage) {
        const StorageClaim claim = storage_claim(pickle_, value, name_);
        sizes.emplace(claim.key, claim.size);
      }
    }
    for (const pickle::Id id : keys_.result().items) {
      const Value& key = keys_[id];
      const auto size = key.kind == Kind::text ? sizes.find(key.text) : sizes.end();
      require<DataError>(size != sizes.end(), "{}: a storage that no tensor uses", name_);
      uint64_t count = 0;
      std::memcpy(&count, part(at, sizeof(count), key.text).data(), sizeof(count));
      at += sizeof(count);
      require<DataError>(count <= file_.size(), "{}: truncated: its storage {} has {} elements, "
                         "{} bytes are left", name_, quoted_name(key.text), count,
                         file_.size() - at);
      storages_.emplace(key.text, part(at, count * size->second, key.text));
      at += count * size->second;
    }
  }
  Bytes part(size_t at, size_t count, std::string_view key) const {
    require<DataError>(count <= file_.size() - at, "{}: truncated: its storage {} has {} bytes, "
                       "{} are left", name_, quoted_name(key), count, file_.size() - at);
    return file_.subspan(at, count);
  }
  static bool little_endian(const Pickle& system) {
    const Value& dict = system.result();
    for (size_t i = 0; dict.kind == Kind::dict && i + 1 < dict.items.size(); i += 2) {
      if (system[dict.items[i]].text == "little_endian") {
        return system[dict.items[i + 1]].integer != 0;
      }
    }
    return true;
  }

  // ---- storages and tensors ---------------------------------------------------------------------

  // The elements of a storage, in bytes.
  Bytes storage_bytes(const StorageClaim& claim, const std::string& where) const {
    const auto found = storages_.find(claim.key);
    require<DataError>(found != storages_.end(), "{}: its storage {} is not in the file", where,
                       quoted_name(claim.key));
    const uint64_t have = found->second.size() / claim.size;
    require<DataError>(claim.offset <= have && claim.count <= have - claim.offset,
                       "{}: its storage {} would have {} elements from {} on, the file holds {}",
                       where, quoted_name(claim.key), claim.count, claim.offset, have);
    return found->second.subspan(claim.offset * claim.size, claim.count * claim.size);
  }

  // items: storage, offset, shape, strides, ...
  SafeTensor tensor(std::string_view name, const Value& value) {
    const std::string where = name_ + ": tensor " + quoted_name(name);
    require<DataError>(value.items.size() >= 4 && pickle_[value.items[0]].kind == Kind::storage,
                       "{}: malformed", where);
    const StorageClaim claim = storage_claim(pickle_, pickle_[value.items[0]], where);
    const Bytes storage = storage_bytes(claim, where);
    const auto offset =
        static_cast<uint64_t>(natural(pickle_, value.items[1], where + ": its offset"));
    SafeTensor tensor{std::string(claim.dtype),
                      naturals(pickle_, value.items[2], where + ": its shape"), {}};
    const std::vector<int64_t> strides =
        naturals(pickle_, value.items[3], where + ": its strides");
    const auto numel = checked_numel(tensor.shape);
    const uint64_t most = PthFile::kMostTimes * file_.size();
    require<DataError>(strides.size() == tensor.shape.size(), "{}: {} dimensions, {} strides",
                       where, tensor.shape.size(), strides.size());
    require<DataError>(numel && *numel <= most && total_ + *numel * claim.size <= most,
                       "{}: the tensors up to this one are more than {} times as large as the file",
                       where, PthFile::kMostTimes);
    total_ += *numel * claim.size;
    if (*numel == 0) {
      return tensor;
    }
    const uint64_t last = last_element(tensor.shape, strides, where);
    require<DataError>(last < claim.count && offset < claim.count - last,
                       "{}: its {} elements from {} on lie outside its storage of {}", where,
                       last + 1, offset, claim.count);
    const Bytes from = storage.subspan(offset * claim.size);
    if (contiguous(tensor.shape, strides)) {
      tensor.bytes = from.first(*numel * claim.size);
    } else {
      gather(from.data(), tensor.shape, strides, claim.size,
             copies_.emplace_back(*numel * claim.size));
      tensor.bytes = copies_.back();
    }
    return tensor;
  }

  Bytes file_;
  const std::string& name_;
  std::map<std::string, Bytes> zip_;
  Pickle pickle_, keys_;
  Storages storages_;
  uint64_t total_ = 0;  // bytes of the tensors so far
  std::vector<std::vector<uint8_t>> copies_;  // of tensors with strides
};

}  // namespace

bool is_pth(Bytes bytes) { return begins(bytes, kZipStart) || is_legacy(bytes); }

bool is_pth(const std::filesystem::path& path) {
  std::array<char, kStart> start{};
  std::ifstream file(path, std::ios::binary);
  file.read(start.data(), start.size());
  return is_pth({reinterpret_cast<const uint8_t*>(start.data()),
                 static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0))});
}

struct PthFile::Impl {
  explicit Impl(std::string name) : path(std::move(name)) {}

  std::string path;
  std::unique_ptr<MappedFile> file;  // null when the caller owns the bytes
  std::unique_ptr<Content> content;

  void read(Bytes bytes) {
    content = std::make_unique<Content>(bytes, path);
    content->read();
  }
};

PthFile::PthFile(const std::filesystem::path& path) : impl_(std::make_unique<Impl>(path.string())) {
  impl_->file = std::make_unique<MappedFile>(path);
  impl_->read(impl_->file->bytes());
}

PthFile::PthFile(std::span<const uint8_t> bytes, std::string name)
    : impl_(std::make_unique<Impl>(std::move(name))) {
  impl_->read(bytes);
}

PthFile::~PthFile() = default;
PthFile::PthFile(PthFile&&) noexcept = default;
PthFile& PthFile::operator=(PthFile&&) noexcept = default;

const std::vector<std::pair<std::string, SafeTensor>>& PthFile::tensors() const {
  return impl_->content->tensors;
}
const std::string& PthFile::entry() const { return impl_->content->entry; }
const std::vector<std::string>& PthFile::class_names() const { return impl_->content->class_names; }
const std::string& PthFile::path() const { return impl_->path; }

}  // namespace mld
