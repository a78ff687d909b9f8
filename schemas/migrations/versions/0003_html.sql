-- HTML content behind the link in each text (guide, HTML). With it, a campaign's chunks have one message each and go out
-- by the unit page, which alone takes it.
ALTER TABLE campaign ADD COLUMN html text;
