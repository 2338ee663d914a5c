"""The patient's page as values: banner, work, timeline, referrals, and every form that records something."""
