"""What belongs together: copies, a mail with its attachments, threads of mails, texts that are nearly the same."""
