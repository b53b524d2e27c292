#include "data/formats/webdataset.h"

#include <algorithm>
#include <unordered_set>

#include "core/error.h"
#include "data/formats/split_words.h"
#include "data/formats/tar.h"
#include "data/picture_files.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr int64_t kMostTextBytes = int64_t{16} << 20;  // of a file with labels

class ShardReader {
 public:
  ShardReader(Shards& shards, const std::string& name) : shards_(shards), name_(name) {}

  void read(std::span<const uint8_t> tar, int32_t number) {
    const TarIndex index = index_tar(tar, name_);
    shards_.skipped += index.skipped;
    std::unordered_set<std::string> keys;
    std::string current;
    for (const TarMember& member : index.files) {
      const size_t slash = member.name.rfind('/');
      const size_t base = slash == std::string::npos ? 0 : slash + 1;
      const size_t dot = member.name.find('.', base);
      if (dot == std::string::npos || dot == base) {  // ._a.jpg, README
        continue;
      }
      const std::string key = member.name.substr(0, dot);
      if (keys.empty() || key != current) {
        require<DataError>(is_utf8(key) && keys.insert(key).second, "{}: the files of '{}' do not "
                           "lie together, or its name is not UTF-8; pack them in order of their "
                           "names", name_, printable(key));
        end_sample();
        current = key;
        sample_ = {};
        sample_.key = key;
        open_ = true;
      }
      take(member, lower_case(member.name.substr(dot + 1)), number, tar);
    }
    end_sample();
  }

 private:
  void take(const TarMember& member, const std::string& ending, int32_t shard,
            std::span<const uint8_t> bytes) {
    if (ending.find('.') == std::string::npos && is_picture_name("x." + ending)) {
      require<DataError>(!sample_.has_picture, "{}: '{}' has two pictures", name_,
                         printable(sample_.key));
      sample_.picture = {shard, member.offset, member.size};
      sample_.has_picture = true;
    } else if (ending == "cls" || ending == "json" || ending == "labels") {
      require<DataError>(member.size <= kMostTextBytes, "{}: '{}' has {} bytes, expected labels",
                         name_, printable(member.name), member.size);
      const auto content = bytes.subspan(static_cast<size_t>(member.offset),
                                         static_cast<size_t>(member.size));
      const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
      const std::string where = fmt::format("{}: {}", name_, printable(member.name));
      if (ending == "json") {
        take_json(text, where);
      } else {
        take_lines(text, ending == "cls", where);
      }
    }
  }

  void take_json(std::string_view text, const std::string& where) {
    const rapidjson::Document object = parse_json(text, where);
    require<DataError>(object.IsObject(), "{}: {}, expected an object", where, json_kind(object));
    const JsonLabels labels = shards_.json.read(object, "", where);
    for (const std::string& label : labels.present) {
      add(label, sample_.labels, where);
    }
    for (const std::string& label : labels.unknown) {
      add(label, sample_.unknown, where);
    }
  }

  void take_lines(std::string_view text, bool one, const std::string& where) {
    for_filled_lines(text, [&](std::string_view label, int64_t) {
      require<DataError>(!one || sample_.labels.empty(), "{}: several labels; put them into a "
                         ".json or .labels file", where);
      add(std::string(label), sample_.labels, where);
    });
  }

  void add(const std::string& label, std::vector<std::string>& labels, const std::string& where) {
    require<DataError>(is_utf8(label), "{}: label '{}' is not UTF-8", where, printable(label));
    shards_.numbers = shards_.numbers && label.size() < 10 &&
                      label.find_first_not_of("0123456789") == std::string::npos;
    shards_.labels.insert(label);
    labels.push_back(label);
  }

  void end_sample() {
    if (open_ && sample_.has_picture) {
      shards_.samples.push_back(std::move(sample_));
    } else {
      shards_.without_picture += open_;
    }
    open_ = false;
  }

  Shards& shards_;
  const std::string& name_;
  ShardSample sample_;
  bool open_ = false;
};

}  // namespace

void read_shard(std::span<const uint8_t> tar, const std::string& name, int32_t number,
                Shards& shards) {
  ShardReader(shards, name).read(tar, number);
}

}  // namespace mld
