#include "os/write_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace vs::os {
namespace {

/// A folder of its own, removed with everything in it.
class Folder {
 public:
  Folder() : path_(testing::TempDir() + "vs_write_XXXXXX") {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~Folder() {
    for (const Entry& entry : entries()) ::unlink(join_path(path_, entry.name).c_str());
    ::rmdir(path_.c_str());
  }
  [[nodiscard]] std::string file(std::string_view name) const { return join_path(path_, name); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::vector<Entry> entries() const { return real_files().list(path_).value(); }

 private:
  std::string path_;
};

std::string content(const std::string& path) {
  const auto file = real_files().open(path);
  if (!file.ok()) return "(none)";
  const auto bytes = read_whole(**file, 1000, path);
  return std::string(as_text(*bytes));
}

TEST(RealOutputs, AppearsOnlyWithCommit) {
  const Folder folder;
  const std::string path = folder.file("h");
  auto output = real_outputs().create(path);
  ASSERT_TRUE(output.ok());
  ASSERT_TRUE((*output)->append(as_bytes("hello")).ok());
  EXPECT_EQ(content(path), "(none)");
  EXPECT_EQ((*output)->size(), 5U);
  ASSERT_TRUE((*output)->commit().ok());
  EXPECT_EQ(content(path), "hello");
  EXPECT_EQ(folder.entries().size(), 1U);
}

TEST(RealOutputs, DroppedLeavesTheOldFile) {
  const Folder folder;
  const std::string path = folder.file("h");
  for (const std::string_view text : {"old", "new"}) {
    auto output = real_outputs().create(path);
    ASSERT_TRUE(output.ok());
    ASSERT_TRUE((*output)->append(as_bytes(text)).ok());
    if (text == "old") {
      ASSERT_TRUE((*output)->commit().ok());
    }
  }
  EXPECT_EQ(content(path), "old");
  EXPECT_EQ(folder.entries().size(), 1U);
}

TEST(RealOutputs, RemovesWhatDeadWritersLeft) {
  const Folder folder;
  const std::string path = folder.file("h");
  const pid_t child = ::fork();
  if (child == 0) {  // dies with its file open, as by SIGKILL
    auto output = real_outputs().create(path);
    ::_exit(output.ok() && (*output)->append(as_bytes("x")).ok() ? 0 : 1);
  }
  int state = 1;
  ASSERT_EQ(::waitpid(child, &state, 0), child);
  ASSERT_EQ(state, 0);
  ASSERT_EQ(folder.entries().size(), 1U);
  auto first = real_outputs().create(path);  // removes the dead one's
  EXPECT_EQ(folder.entries().size(), 1U);
  auto second = real_outputs().create(path);  // but not a living one's
  EXPECT_EQ(folder.entries().size(), 2U);
}

TEST(RealOutputs, AnonymousHasNoNameAndReadsBack) {
  const Folder folder;
  auto output = real_outputs().create_anonymous(folder.path());
  ASSERT_TRUE(output.ok());
  EXPECT_TRUE(folder.entries().empty());
  ASSERT_TRUE((*output)->append(as_bytes("0123456789")).ok());
  ASSERT_TRUE((*output)->commit().ok());
  auto file = (*output)->reopen();
  ASSERT_TRUE(file.ok());
  output->reset();
  std::array<std::byte, 4> out{};
  EXPECT_EQ((*file)->size(), 10U);
  EXPECT_EQ((*file)->read_at(8, out).value(), 2U);
  EXPECT_EQ(as_text(out).substr(0, 2), "89");
}

TEST(RealOutputs, SaysWhatIsWrong) {
  const auto output = real_outputs().create("/nonexistent/h");
  ASSERT_FALSE(output.ok());
  EXPECT_EQ(output.error().to_string(),
            "/nonexistent/h: cannot create a file beside it: No such file or directory");
  EXPECT_FALSE(real_outputs().create_anonymous("/nonexistent").ok());
}

TEST(FaultyOutputs, FailsTheCallThatItIsTold) {
  const Folder folder;
  for (std::uint64_t n = 0; n < 4; ++n) {
    FaultyOutputs faulty(real_outputs(), n, false);
    auto output = faulty.create(folder.file("h"));
    EXPECT_EQ(output.ok(), n != 0);
    if (!output.ok()) continue;
    EXPECT_EQ((*output)->append(as_bytes("ab")).ok(), n != 1);
    EXPECT_EQ((*output)->size(), n == 1 ? 1U : 2U);
    EXPECT_EQ((*output)->commit().ok(), n != 2);
    EXPECT_EQ((*output)->reopen().ok(), n != 3);
  }
}

TEST(CheckReplaceable, RefusesInputsFoldersAndDevices) {
  const Folder folder;
  const std::string file = folder.file("page");
  auto output = real_outputs().create(file);
  ASSERT_TRUE(output.ok());
  ASSERT_TRUE((*output)->commit().ok());
  const std::string parent = file.substr(0, file.rfind('/'));
  const std::vector<std::string> none;
  EXPECT_TRUE(check_replaceable(file, none).ok());
  EXPECT_TRUE(check_replaceable(folder.file("new"), std::vector{parent}).ok());
  EXPECT_FALSE(check_replaceable(file, std::vector{file}).ok());
  EXPECT_FALSE(check_replaceable(file, std::vector{parent}).ok());
  EXPECT_FALSE(check_replaceable(parent, none).ok());
  const Status device = check_replaceable("/dev/null", none);
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.error().where, "/dev/null");
  const std::string link = folder.file("link");
  ASSERT_EQ(::symlink(file.c_str(), link.c_str()), 0);
  EXPECT_FALSE(check_replaceable(link, std::vector{file}).ok());
  ::unlink(link.c_str());
}

TEST(MakeFolders, MakesAllOfThemAndSaysWhichItCannot) {
  const std::string base = testing::TempDir() + "vs_folders_" + std::to_string(::getpid());
  const std::string path = base + "/a/b";
  EXPECT_TRUE(make_folders(path).ok());
  EXPECT_TRUE(make_folders(path).ok());
  EXPECT_TRUE(real_files().stat(path)->folder);
  const Status bad = make_folders("/dev/null/x");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().where, "/dev/null/x");
  for (const std::string& folder : {path, base + "/a", base}) ::rmdir(folder.c_str());
}

}  // namespace
}  // namespace vs::os
