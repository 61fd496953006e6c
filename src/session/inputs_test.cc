#include "session/inputs.h"

#include <gtest/gtest.h>

#include "session/capture.h"
#include "session/fingerprint.h"

namespace vs::session {
namespace {

constexpr const char* kTsdl = "/* CTF 1.8 */\ntrace { major = 1; minor = 8; byte_order = le; };\n";

std::string error_of(os::FileSystem& files, const InputRequest& request) {
  const auto inputs = resolve_inputs(files, request);
  return inputs.ok() ? "" : inputs.error().to_string();
}

TEST(Inputs, SaysWhyAPathIsNoTrace) {
  os::MemoryFiles files;
  files.put("notes.txt", "hello");
  files.put("empty.dat", "");
  files.put("x.ctf.tar.zst", "\x28\xb5\x2f\xfd");
  files.put("packed/host.ctf.tar.zst", "\x28\xb5\x2f\xfd");
  files.put("folder/readme", "hello");
  EXPECT_EQ(error_of(files, {}),
            "no trace was named (name a CTF folder, a trace.dat or a capture folder)");
  EXPECT_EQ(error_of(files, {{"nowhere"}, {}, {}}),
            "nowhere: cannot open: No such file or directory");
  EXPECT_EQ(
      error_of(files, {{"notes.txt"}, {}, {}}),
      "notes.txt: this is no trace that virtscope reads (CTF 1.8 folders and trace.dat files are "
      "read)");
  EXPECT_EQ(error_of(files, {{"empty.dat"}, {}, {}}), "empty.dat: the file is empty");
  EXPECT_EQ(
      error_of(files, {{"x.ctf.tar.zst"}, {}, {}}),
      "x.ctf.tar.zst: this is a packed trace (unpack it first: mkdir trace && tar -C trace -xf "
      "x.ctf.tar.zst)");
  EXPECT_EQ(
      error_of(files, {{"packed"}, {}, {}}),
      "packed: no trace in this folder (it holds packed traces: unpack them first with tar -xf)");
  EXPECT_EQ(error_of(files, {{"folder"}, {}, {}}),
            "folder: no trace in this folder (a CTF trace is a folder with a file named metadata)");
}

TEST(Inputs, FindsTheTracesOfAFolderAndNamesRolesOnce) {
  os::MemoryFiles files;
  files.put("cap/host/kernel/metadata", kTsdl);
  files.put("cap/vm1/kernel/metadata", kTsdl);
  const auto inputs = resolve_inputs(files, {{"cap"}, {"cap/host"}, {{"web", "cap/vm1/kernel"}}});
  ASSERT_TRUE(inputs.ok()) << inputs.error().to_string();
  ASSERT_EQ(inputs->traces.size(), 2U);
  EXPECT_TRUE(inputs->traces[0].forced_host);
  EXPECT_EQ(inputs->traces[1].forced_guest, "web");
}

TEST(Inputs, ACaptureSaysWhatBelongsToWhom) {
  os::MemoryFiles files;
  files.put("cap/capture.json",
            R"({"version":1,"future":[],"machines":[
                {"name":"h","kind":"host","trace":"host","tsc_hz":2.3e9},
                {"name":"vm1","kind":"vm","parent":"h","vmm_pid":168,"vcpus":[{"id":0,"tid":180,
                "tsc_offset_begin":18446744046126865919,"tsc_offset_end":"-27582685697"}]}]})");
  files.put("cap/host/metadata", kTsdl);
  const auto inputs = resolve_inputs(files, {{"cap"}, {}, {}});
  ASSERT_TRUE(inputs.ok()) << inputs.error().to_string();
  ASSERT_EQ(inputs->traces.size(), 1U);
  EXPECT_EQ(inputs->traces[0].capture_machine, 0U);
  const CaptureVcpu& vcpu = inputs->capture->machines[1].vcpus.at(0);
  EXPECT_EQ(vcpu.tsc_offset_begin, -27582685697);
  EXPECT_EQ(vcpu.tsc_offset_end, -27582685697);
  EXPECT_EQ(inputs->capture->machines[0].tsc_hz, 2.3e9);
}

struct BadCapture {
  const char* content;
  const char* what;
};

TEST(Capture, RefusesWhatItCannotTrust) {
  const BadCapture cases[] = {
      {"", "capture.json is not valid JSON"},
      {"{", "capture.json is not valid JSON"},
      {"\xff", "capture.json is not valid JSON"},
      {"[]", "capture.json is not an object"},
      {"{}", "capture.json has version -1, this program reads 1"},
      {R"({"version":2})", "capture.json has version 2, this program reads 1"},
      {R"({"version":1})", "capture.json has no array \"machines\""},
      {R"({"version":1,"machines":{}})", "capture.json has no array \"machines\""},
      {R"({"version":1,"machines":[3]})", "an entry of \"machines\" is not an object"},
  };
  for (const BadCapture& bad : cases) {
    const auto capture = parse_capture(as_bytes(bad.content), "c");
    ASSERT_FALSE(capture.ok()) << bad.content;
    EXPECT_EQ(capture.error().what, bad.what) << bad.content;
  }
}

TEST(Capture, MissingAndWronglyTypedValuesAreUnknown) {
  const auto capture = parse_capture(as_bytes(
                                         R"({"version":1,"machines":[
              {"name":3,"vmm_pid":"x","tsc_hz":-1,"vcpus":[{"id":1e3},7]}]})"),
                                     "c");
  ASSERT_TRUE(capture.ok());
  const CaptureMachine& machine = capture->machines.at(0);
  EXPECT_EQ(machine.name, "");
  EXPECT_EQ(machine.vmm_pid, -1);
  EXPECT_FALSE(machine.tsc_hz);
  ASSERT_EQ(machine.vcpus.size(), 1U);
  EXPECT_EQ(machine.vcpus[0].id, -1);
}

TEST(Fingerprint, ChangesWithContentNameAndOptions) {
  os::MemoryFiles files;
  files.put("t/a", "1");
  files.put("t/b", std::string(17 << 20, 'x'));
  const std::vector<std::string> paths = {"t"};
  const std::string first = fingerprint(files, paths, "").value();
  EXPECT_EQ(first, fingerprint(files, paths, "").value());
  EXPECT_EQ(first.size(), 32U);
  EXPECT_NE(first, fingerprint(files, paths, "--sync none").value());
  std::string changed(17 << 20, 'x');
  changed.back() = 'y';
  files.put("t/b", changed);
  EXPECT_NE(first, fingerprint(files, paths, "").value());
  EXPECT_FALSE(fingerprint(files, std::vector<std::string>{"gone"}, "").ok());
}

}  // namespace
}  // namespace vs::session
