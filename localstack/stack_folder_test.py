import os
import shutil
import tempfile
import unittest

from console import Failure
from stack_folder import StackFolder


class StackFolderTest(unittest.TestCase):
    def setUp(self):
        parent = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, parent, True)
        self.path = os.path.join(parent, "stack")

    def test_one_command_at_a_time(self):
        first, second = StackFolder(self.path), StackFolder(self.path)
        self.assertTrue(first.lock(patience=0))
        self.assertFalse(second.lock(patience=0))
        first.unlock()
        self.assertTrue(second.lock(patience=0))
        second.unlock()

    def test_two_folders_do_not_wait_for_each_other(self):
        first, second = StackFolder(self.path), StackFolder(self.path + "2")
        self.assertTrue(first.lock(patience=0))
        self.assertTrue(second.lock(patience=0))
        first.unlock()
        second.unlock()

    def test_a_removed_lock_file_guards_nothing(self):
        first, second, third = StackFolder(self.path), StackFolder(self.path), StackFolder(self.path)
        self.assertTrue(first.lock(patience=0))
        os.remove(self.path + ".lock")
        self.assertTrue(second.lock(patience=0))
        self.assertFalse(third.lock(patience=0))
        second.unlock()
        first._lock.close()

    def test_nothing_is_left_of_a_removed_stack(self):
        folder = StackFolder(self.path)
        self.assertFalse(folder.exists())
        folder.lock(patience=0)
        folder.make("tmp/deep")
        open(folder.file("log"), "w").close()
        folder.write({"mode": "up"})
        self.assertTrue(folder.exists())
        self.assertEqual(folder.read(), {"mode": "up"})
        folder.remove()
        folder.unlock()
        self.assertFalse(folder.exists())
        self.assertEqual(os.listdir(os.path.dirname(self.path)), [])

    def test_a_folder_that_is_no_stack_is_left_alone(self):
        os.makedirs(self.path)
        document = os.path.join(self.path, "letter.txt")
        open(document, "w").close()
        with self.assertRaisesRegex(Failure, "left as it is"):
            StackFolder(self.path).remove()
        self.assertTrue(os.path.exists(document))

    def test_an_unreadable_record_is_said_clearly(self):
        folder = StackFolder(self.path)
        folder.make(".")
        with open(folder.file("stack.json"), "w") as file:
            file.write("{")
        with self.assertRaisesRegex(Failure, "not readable"):
            folder.read()


if __name__ == "__main__":
    unittest.main()
