#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "os/file.h"
#include "reader/ftrace/container.h"
#include "reader/ftrace/cursor.h"
#include "reader/ftrace/event_table.h"
#include "reader/ftrace/format.h"
#include "reader/ftrace/trace_info.h"

namespace vs::reader::ftrace {
namespace {

class TraceDat final : public Trace {
 public:
  TraceDat(std::unique_ptr<os::File> file, Container container, const PageLayout& layout,
           std::string path, const Reporter& report)
      : file_(std::move(file)),
        container_(std::move(container)),
        info_(make_info(container_, path, report)),
        path_(std::move(path)),
        events_(container_.formats, layout.commit_size, report),
        types_(events_.infos()) {
    container_.formats.clear();
    container_.saved_cmdlines.clear();
    for (std::size_t i = 0; i < container_.buffers.size(); ++i) {
      layouts_.push_back(layout_for(layout, container_.buffers[i], container_, report));
      for (const CpuRegion& region : container_.buffers[i].cpus) add_stream(i, region);
    }
  }

  [[nodiscard]] const TraceInfo& info() const override { return info_; }
  [[nodiscard]] std::span<const EventTypeInfo> event_types() const override { return types_; }
  [[nodiscard]] std::span<const StreamInfo> streams() const override { return streams_; }

  [[nodiscard]] Result<std::unique_ptr<StreamCursor>> open_stream(
      std::size_t stream, const StreamRequest& request, model::IssueLog& issues) const override {
    const std::uint32_t buffer = streams_[stream].buffer;
    const Reporter report(issues, path_, std::string(os::base_name(path_)), labels_[stream]);
    const CursorContext context{events_, layouts_[buffer], streams_[stream].cpu, begin_, end_};
    return std::unique_ptr<StreamCursor>(
        std::make_unique<Cursor>(context, source(stream, report), request, report));
  }

 private:
  [[nodiscard]] BlockSource source(std::size_t stream, const Reporter& report) const {
    const Buffer& buffer = container_.buffers[streams_[stream].buffer];
    return BlockSource(*file_, regions_[stream], buffer.compressed, container_.header.codec,
                       layouts_[streams_[stream].buffer], report);
  }

  void add_stream(std::size_t index, const CpuRegion& region) {
    const Buffer& buffer = container_.buffers[index];
    StreamInfo stream;
    stream.cpu = region.cpu;
    stream.buffer = static_cast<std::uint32_t>(index);
    stream.bytes = region.size;
    labels_.push_back(buffer.name.empty()
                          ? fmt::format("cpu {}", region.cpu)
                          : fmt::format("buffer {} cpu {}", buffer.name, region.cpu));
    stream.place = fmt::format("{} {}", os::base_name(path_), labels_.back());
    regions_.push_back(region);
    streams_.push_back(stream);
    model::IssueLog unheard;  // the cursor that reads the stream reports what is wrong with it
    BlockSource pages = source(streams_.size() - 1, Reporter(unheard, path_, ""));
    streams_.back().first = pages.first_time();
    streams_.back().last = pages.last_time();
    if (const auto first = streams_.back().first)
      begin_ = begin_ ? std::min(*begin_, *first) : first;
    if (const auto last = streams_.back().last) end_ = end_ ? std::max(*end_, *last) : last;
  }

  std::unique_ptr<os::File> file_;
  Container container_;
  TraceInfo info_;
  std::string path_;
  EventTable events_;
  std::vector<EventTypeInfo> types_;
  std::vector<PageLayout> layouts_;  ///< by buffer
  std::vector<StreamInfo> streams_;
  std::vector<std::string> labels_;  ///< by stream: "cpu 2"
  std::vector<CpuRegion> regions_;   ///< by stream
  std::optional<OwnTime> begin_;
  std::optional<OwnTime> end_;
};

bool probe(os::FileSystem& files, const std::string& path) {
  const auto stat = files.stat(path);
  if (!stat.ok() || stat->folder) return false;
  const auto file = files.open(path);
  if (!file.ok()) return false;
  std::array<std::byte, 10> magic{};
  const auto got = (*file)->read_at(0, magic);
  return got.ok() && *got == magic.size() &&
         as_text(magic) ==
             "\x17\x08"
             "Dtracing";
}

Result<std::unique_ptr<Trace>> open(os::FileSystem& files, const std::string& path,
                                    model::IssueLog& issues) {
  VS_ASSIGN(std::unique_ptr<os::File> file, files.open(path));
  const std::string name(os::base_name(path));
  const Reporter report(issues, path, name);
  VS_ASSIGN(Container container, read_container(*file, name, report));
  VS_ASSIGN(const PageLayout layout, layout_of(container, report));
  drop_foreign_clocks(container, report);
  check_regions(container, file->size(), report);
  file->advise_sequential();
  return std::unique_ptr<Trace>(
      std::make_unique<TraceDat>(std::move(file), std::move(container), layout, path, report));
}

}  // namespace

const Format kTraceDatFormat = {"trace.dat", probe, open};

}  // namespace vs::reader::ftrace
